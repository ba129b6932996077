"""The least that Gradio can show as a chat: one sentence for every message. Run in our own environment; GRADIO_SERVER_PORT says where."""

import gradio as gr


def answered(message: str, history: list[dict[str, str]]) -> str:
    return "An answer."


gr.ChatInterface(answered).launch()
