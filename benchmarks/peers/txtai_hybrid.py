"""txtai's hybrid index (dense and BM25): texts and questions in, numbers of the ten nearest texts out, both as JSON."""

import json
import sys

from txtai import Embeddings

given = json.load(sys.stdin)
embeddings = Embeddings(path=given["model"], hybrid=True)
embeddings.index(given["texts"])
json.dump([[int(number) for number, _ in embeddings.search(question, 10)] for question in given["questions"]], sys.stdout)
