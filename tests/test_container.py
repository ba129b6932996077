"""Dockerfile, both compose files, the build's context and the Space's card, as far as they can be checked without an engine or the Hub."""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
REPLICAS = yaml.safe_load((ROOT / "compose.replicas.yaml").read_text("utf-8"))
LIMIT = 60_000_000  # bytes of context: weights and corpus are nearly all of it
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
HARDWARE = re.compile(r"cpu-(?:basic|upgrade|xl)|zero-a10g|t4-\w+|l4x\d|l40sx\d|a10g-\w+|a100-large|h100x?\d?")
# Hugging Face's Spaces configuration reference: each field and what it may be.
CARD: dict[str, Any] = {
    "title": str, "emoji": str, "colorFrom": COLOURS, "colorTo": COLOURS, "sdk": {"gradio", "docker", "static"}, "sdk_version": re.compile(r"\d+\.\d+\.\d+"),
    "python_version": re.compile(r"3\.\d+(?:\.\d+)?"), "app_file": str, "app_port": int, "base_path": str, "fullWidth": bool, "header": {"mini", "default"},
    "short_description": str, "models": list, "datasets": list, "tags": list, "thumbnail": str, "pinned": bool, "license": str, "suggested_hardware": HARDWARE,
    "hf_oauth": bool, "hf_oauth_expiration_minutes": int, "hf_oauth_scopes": list, "hf_oauth_authorized_org": (str, list), "disable_embedding": bool,
    "startup_duration_timeout": str, "custom_headers": dict, "preload_from_hub": list, "suggested_storage": str,
}  # fmt: skip


def script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def in_context(name: str) -> bool:
    """Whether Docker sends a file: the last pattern that fits it or a folder above it decides; `*` stays within a folder, `**/` is any depth."""
    parts = name.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    sent = True
    for row in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = re.escape(row.strip().removeprefix("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if row.strip() and not row.startswith("#") and any(re.fullmatch(pattern, one) for one in above):
            sent = row.startswith("!")
    return sent


def test_the_dockerfile_has_no_fault_that_hadolint_knows() -> None:
    done = subprocess.run([script("hadolint"), str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["compose.yaml", "compose.replicas.yaml"])
def test_compose_fits_its_schema(name: str) -> None:
    command = [script("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(ROOT / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_container_is_no_root_read_only_and_looked_after() -> None:
    last = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER 1000", last, re.MULTILINE) and "/healthz" in last and "HEALTHCHECK" in last
    assert "app.py" in last and "ADD " not in DOCKERFILE
    [service] = COMPOSE["services"].values()
    assert service["read_only"] and service["tmpfs"] and service["cap_drop"] == ["ALL"] and service["user"].startswith("1000")
    assert service["ports"] == ["127.0.0.1:7860:7860"] and "no-new-privileges:true" in service["security_opt"]
    assert "not built" in DOCKERFILE, "say so until somebody has built it"


def test_the_replicas_and_what_stands_around_them_fit_each_other() -> None:
    services, nginx = REPLICAS["services"], (ROOT / "nginx.conf").read_text("utf-8")
    names = [name for name in services if name.startswith("faq-")]
    assert len(names) == 2 and all(f"server {name}:7860" in nginx for name in names)
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert services["proxy"]["ports"] == ["127.0.0.1:7860:7860"]
    for name in (*names, "build"):
        assert services[name]["read_only"] and services[name]["cap_drop"] == ["ALL"]
        assert services[name]["environment"]["KRATOM_FAQ_MILVUS_URI"] == "http://milvus:19530"
        assert services[name]["image"] == services["build"]["image"] != COMPOSE["services"]["faq"]["image"], "the other image has no client of the store"
    assert "were not started" in (ROOT / "compose.replicas.yaml").read_text("utf-8"), "say so until somebody has started them"


def test_the_proxy_has_an_address_that_docker_gives_to_nobody_else() -> None:
    [network] = REPLICAS["networks"]["inside"]["ipam"]["config"]
    [proxy, *replicas] = [REPLICAS["services"][name] for name in ("proxy", "faq-1", "faq-2")]
    address = proxy["networks"]["inside"]["ipv4_address"]
    subnet, handed_out = ipaddress.ip_network(network["subnet"]), ipaddress.ip_network(network["ip_range"])
    assert ipaddress.ip_address(address) in subnet and ipaddress.ip_address(address) not in handed_out
    assert handed_out.subnet_of(subnet)  # type: ignore[arg-type]  # both are of IPv4
    assert [replica["environment"]["FORWARDED_ALLOW_IPS"] for replica in replicas] == [address, address]


def test_the_versions_are_those_of_the_lock() -> None:
    locked, tested = ((ROOT / name).read_text("utf-8") for name in ("requirements.txt", "requirements-test.txt"))
    [torch] = re.findall(r"torch==[\d.]+", DOCKERFILE)
    assert f"\n{torch}\n" in locked
    extra = REPLICAS["services"]["build"]["build"]["args"]["EXTRA"]
    assert extra.startswith("pymilvus==") and f"\n{extra}\n" in tested and "requirements.txt ${EXTRA}" in DOCKERFILE


def test_the_context_holds_what_serving_needs_and_nothing_else() -> None:
    listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listing.split("\0") if name and (ROOT / name).is_file()]
    sent = [name for name in names if in_context(name)]
    tops = {name.split("/")[0] for name in sent}
    assert tops == {"app.py", "requirements.txt", "README.md", "LICENSE", "bot", "corpus", "docs", "index"}
    tracked = subprocess.run(["git", "ls-files", "-z", "bot", "corpus"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    assert set(filter(None, tracked)) <= set(sent)
    assert {name for name in sent if name.startswith(("index/", "docs/"))} == {"index/README.md", "docs/evaluation.md", "docs/guardrails.md"}
    assert not [name for name in sent if name.endswith(".pyc") or name.startswith("tests/") or ".git" in name.split("/")]
    size = sum((ROOT / name).stat().st_size for name in sent)
    assert size < LIMIT, f"{size:,} bytes in {len(sent)} files"


@pytest.mark.parametrize(
    "name",
    ["tests/golden/messages_test.jsonl", ".git/config", "index/current.json", "bot/__pycache__/x.cpython-311.pyc", ".venv/bin/python", "benchmarks/x.py"],
)
def test_what_others_must_not_get_stays_out(name: str) -> None:
    assert not in_context(name)


def test_the_card_of_the_space_holds_only_fields_that_there_are_with_values_that_may_be() -> None:
    from huggingface_hub import SpaceCard

    card = SpaceCard.load(ROOT / "README.md").data.to_dict()
    for name, value in card.items():
        allowed = CARD[name]
        if isinstance(allowed, set):
            assert value in allowed, name
        elif isinstance(allowed, re.Pattern):
            assert isinstance(value, str) and allowed.fullmatch(value), name
        else:
            assert isinstance(value, allowed), name
    assert {"title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "app_file"} <= set(card)
    assert (ROOT / card["app_file"]).is_file() and len(card["short_description"]) <= 60 and len(card["emoji"]) <= 2
