"""Which collections does the field measure on, and how large are they?"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """A collection as its publication counts it.

    Attributes:
        name: of its folder, as it is usually called.
        group: of the benchmark that it belongs to.
        n_docs: documents, or passages.
        n_queries: of the split that is reported.
    """

    name: str
    group: str
    n_docs: int
    n_queries: int


# Thakur et al. 2021, table 1; Bajaj et al. 2016; Weller et al. 2025.
KNOWN = (
    Known("msmarco", "BEIR", 8_841_823, 6_980),
    Known("trec-covid", "BEIR", 171_332, 50),
    Known("nfcorpus", "BEIR", 3_633, 323),
    Known("bioasq", "BEIR", 14_914_602, 500),
    Known("nq", "BEIR", 2_681_468, 3_452),
    Known("hotpotqa", "BEIR", 5_233_329, 7_405),
    Known("fiqa", "BEIR", 57_638, 648),
    Known("signal1m", "BEIR", 2_866_316, 97),
    Known("trec-news", "BEIR", 594_977, 57),
    Known("robust04", "BEIR", 528_155, 249),
    Known("arguana", "BEIR", 8_674, 1_406),
    Known("webis-touche2020", "BEIR", 382_545, 49),
    Known("cqadupstack", "BEIR", 457_199, 13_145),
    Known("quora", "BEIR", 522_931, 10_000),
    Known("dbpedia-entity", "BEIR", 4_635_922, 400),
    Known("scidocs", "BEIR", 25_657, 1_000),
    Known("fever", "BEIR", 5_416_568, 6_666),
    Known("climate-fever", "BEIR", 5_416_593, 1_535),
    Known("scifact", "BEIR", 5_183, 300),
    Known("msmarco-passage", "MS MARCO", 8_841_823, 6_980),
    Known("msmarco-document", "MS MARCO", 3_213_835, 5_193),
    Known("limit", "LIMIT", 50_000, 1_000),
    Known("limit-small", "LIMIT", 46, 1_000),
)
