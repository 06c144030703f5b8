"""Which statistics do the synthetic learned-sparse collections have?

One model, two settings of it. The model: terms have Zipf-Mandelbrot popularity; 300 broad topics
own weighted terms; fine topics, one to 60 documents, mix terms of their broad topic with popular
and rare ones; a document draws most terms from one or two fine topics; a query is a perturbed
document with a few strong terms and a tail of weak ones. Weights are log(1 + log-normal), as
SPLADE's log(1 + relu).

`hard` follows the published statistics of SPLADE++ (query mass, non-zeros, document frequencies):
pruning gains little on it. `concentrated` puts the mass of queries on rare topical terms.
"""

from dataclasses import dataclass

VOCABULARY = 30_522
ACTIVE_TERMS = 28_200
FIRST_TERM = 106
BROAD_TOPICS = 300
DOCS_PER_FINE_TOPIC = 60


@dataclass(frozen=True, slots=True)
class Profile:
    """The numbers in which the two profiles differ; shares are probabilities.

    Attributes:
        fine_terms: terms of a fine topic.
        broad_terms: terms of a broad topic.
        topic_from_broad: share of a fine topic's terms drawn from its broad topic.
        topic_from_popular: share drawn by popularity; the rest are uniform.
        topic_decay: importance falls by exp(-decay) a place.
        topic_spread: log-normal spread of importance.
        rarity_floor: importance is multiplied by floor + slope * rarity of the term.
        rarity_slope: see `rarity_floor`.
        doc_from_fine: share of a document's terms from its fine topics.
        doc_from_broad: share from its broad topic; the rest are background.
        broad_weight: importance of a term from the broad topic.
        background_weight: importance of a term from the background.
        doc_spread: log-normal spread of a document's weights.
        boost_share: share of terms that really are in the text.
        boost: how much more these weigh.
        core_choices: a query has 4 strong terms or up to this many less one more.
        core_from_doc: share of strong terms from the source document; the rest are broad.
        core_power: strong terms are drawn by weight to this power ...
        core_rarity_power: ... over (0.10 + rarity) to this power.
    """

    fine_terms: int
    broad_terms: int
    topic_from_broad: float
    topic_from_popular: float
    topic_decay: float
    topic_spread: float
    rarity_floor: float
    rarity_slope: float
    doc_from_fine: float
    doc_from_broad: float
    broad_weight: float
    background_weight: float
    doc_spread: float
    boost_share: float
    boost: float
    core_choices: int
    core_from_doc: float
    core_power: float
    core_rarity_power: float


PROFILES = {
    "hard": Profile(
        fine_terms=150,
        broad_terms=1500,
        topic_from_broad=0.50,
        topic_from_popular=0.40,
        topic_decay=0.011,
        topic_spread=0.60,
        rarity_floor=0.55,
        rarity_slope=0.45,
        doc_from_fine=0.58,
        doc_from_broad=0.22,
        broad_weight=0.42,
        background_weight=0.38,
        doc_spread=0.55,
        boost_share=0.06,
        boost=2.2,
        core_choices=5,
        core_from_doc=0.6,
        core_power=1.8,
        core_rarity_power=1.3,
    ),
    "concentrated": Profile(
        fine_terms=190,
        broad_terms=1800,
        topic_from_broad=0.55,
        topic_from_popular=0.25,
        topic_decay=0.0155,
        topic_spread=0.55,
        rarity_floor=0.25,
        rarity_slope=1.0,
        doc_from_fine=0.70,
        doc_from_broad=0.15,
        broad_weight=0.30,
        background_weight=0.25,
        doc_spread=0.60,
        boost_share=0.10,
        boost=2.6,
        core_choices=6,
        core_from_doc=1.0,
        core_power=2.2,
        core_rarity_power=0.0,
    ),
}
