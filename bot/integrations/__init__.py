"""Retrievers for other people's programs: each a few lines on `bot.search`, each an optional extra of the same name.

They search without guardrails: show passages word for word, and let `bot.reply` decide first where people ask. They need a Python that runs the bot.
"""
