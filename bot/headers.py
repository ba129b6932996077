"""Security headers of what a server sends: what a page may load and who may show it in a frame.

Our own pages run one script, named by its hash. Gradio's page runs the scripts it was sent with, named by a number made anew for each page
(nonce), and turns strings into code (its `js=` events), so 'unsafe-eval' must stay; nothing that a text brings in runs either way.
"""

from __future__ import annotations

import base64
import hashlib

SPACES = "https://huggingface.co https://*.huggingface.co https://*.hf.space"  # who frames a Space
COMMON = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # the library's address may hold what somebody searched
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()",
    "cross-origin-opener-policy": "same-origin",
    "x-permitted-cross-domain-policies": "none",
}
ALIKE = (
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'self'; object-src 'none'"
)


def data_policy() -> str:
    """For what is no page: nothing may be loaded, nobody may frame it."""
    return "default-src 'none'; frame-ancestors 'none'"


def own_policy(script: str, frames: str) -> str:
    """For a page of ours, whose one script is `script`; `frames`: who may show it in a frame, beside itself, separated by spaces."""
    return f"default-src 'none'; script-src {_hash(script)}; {ALIKE}; frame-ancestors {_ancestors(frames)}"


def gradio_policy(nonce: str, script: str, frames: str) -> str:
    """For Gradio's page, whose inline scripts carry `nonce`; it puts in `script`, ours, by a script of its own."""
    scripts = f"script-src 'self' 'nonce-{nonce}' {_hash(script)} 'unsafe-eval'"
    return f"default-src 'none'; {scripts}; {ALIKE}; manifest-src 'self'; worker-src 'self' blob:; frame-ancestors {_ancestors(frames)}"


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode()}'"


def _ancestors(frames: str) -> str:
    return " ".join(["'self'", *frames.split()])
