"""What a user would pick instead, each in its documentation's simplest way; run by benchmarks/retrieval.py in an environment of their own."""
