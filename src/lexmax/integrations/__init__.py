"""How do other frameworks search and rerank with a service of lexmax?

`lexmax.integrations.langchain`, `.llama_index` and `.haystack` each need their framework, which the
extra of that name brings: pip install "lexmax[langchain]".
"""
