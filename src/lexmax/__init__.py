"""Retrieval and reranking with learned sparse and multi-vector indexes."""
