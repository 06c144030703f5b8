"""What do the people of a generated LIMIT dataset like, and what are they called?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from pathlib import Path
from typing import TypeVar

import numpy as np
import orjson

# Two words for nearly the same; no word stands twice, so that a twin shares none.
_SYNONYMS = """
dogs hounds, cars automobiles, houses homes, stones rocks, boats ships, coats jackets,
songs melodies, stories tales, forests woods, maps charts, pictures images, streets roads,
doctors physicians, lawyers attorneys, teachers instructors, kids children, rivers streams,
hills mounds, beaches shores, cups mugs, rugs carpets, sofas couches, lamps lanterns, bags sacks,
boxes crates, gifts presents, jewels gems, thieves robbers, soldiers troops, pigs hogs,
donkeys mules, rabbits bunnies, bugs insects, snakes serpents, bikes bicycles, planes aircraft,
films movies, prizes awards, errors mistakes, jogging running, shopping purchasing,
cooking cuisine, painting artwork, dancing ballet, reading literature, hiking trekking,
sleeping napping, talking conversation, laughing giggling, crying weeping, fighting combat,
thinking pondering, working labour, resting relaxation, winning victory, losing defeat,
helping assistance, teaching education, healing therapy, building construction, money cash,
food meals, drinks beverages, candy sweets, bread loaves, soup broth, meat beef, fries chips,
cookies biscuits, soda lemonade, autumn fall, storms tempests, snow frost, rain drizzle,
wind breeze, fog mist, fire flames, smoke fumes, trash garbage, mud dirt, ocean sea, lakes ponds,
islands atolls, mountains peaks, caves caverns, deserts wastelands, farms ranches, gardens yards,
parks commons, towns villages, shops stores, hotels inns, pubs taverns, prisons jails,
churches chapels, castles fortresses, towers spires, bridges viaducts, tunnels underpasses,
gates portals, walls fences, floors storeys, roofs ceilings, beds bunks, chairs seats,
desks tables, shelves racks, pans skillets, knives blades, guns firearms, bombs explosives,
swords sabres, shields armour, hats caps, shoes footwear, trousers pants, shirts blouses,
dresses gowns, gloves mittens, socks stockings, rings bands, watches timepieces, perfume fragrance,
soap detergent, medicine drugs, illness disease, pain aches, injuries wounds, sleepers dreamers,
friends pals, enemies foes, bosses managers, workers employees, farmers growers, sailors mariners,
pilots aviators, singers vocalists, actors performers, writers authors, poets bards,
judges magistrates, kings monarchs, priests clergy, ghosts spirits, monsters beasts,
wizards sorcerers, heroes champions, villains scoundrels, clowns jesters, babies infants,
teenagers adolescents, ladies women, gentlemen men, crowds mobs, teams squads, clubs societies,
firms companies, wars conflicts, treaties pacts, elections ballots, taxes levies, laws statutes,
crimes felonies, riots uprisings, parties celebrations, weddings marriages, funerals burials,
holidays vacations, trips journeys, games contests, puzzles riddles, jokes gags, secrets mysteries,
lies falsehoods, facts truths, ideas notions, plans schemes, maths arithmetic, physics mechanics,
computers laptops, phones telephones, letters correspondence, books novels, papers documents,
pens ballpoints, photos snapshots, drums percussion, violins fiddles, trumpets bugles,
chickens hens, roosters cockerels, cows cattle, horses stallions, frogs toads, turtles tortoises,
crocodiles alligators, cats felines, wolves canines, monkeys primates, bees hornets,
trees saplings, flowers blossoms, grass lawns, herbs spices, corn maize, zucchini courgettes,
eggplants aubergines, peanuts groundnuts, clouds skies, stars suns, planets worlds,
rockets missiles, engines motors, wheels tyres, trains railways, trucks lorries, taxis cabs,
elevators lifts, apartments flats, sidewalks pavements, gasoline petrol, diapers nappies,
flashlights torches, erasers rubbers, movers hauliers, tourists sightseers, guards sentries
"""
_FIRST = (
    *("Ada", "Ben", "Cleo", "Dora", "Emil", "Fay", "Gus", "Hana", "Igor", "Jana", "Kurt"),
    *("Lena", "Milo", "Nora", "Otto", "Pia", "Quin", "Rosa", "Sven", "Tess", "Uwe", "Vera"),
)
_SYLLABLES = ("ba", "de", "fi", "go", "hu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo")
_N_SYLLABLES = 4
# Words of a text encoder's own vocabulary: each is one token to it, and known.
_VOCABULARY = "encoders/weights/lexmax-sparse/tokenizer.json"
_PLURAL = re.compile(r"[a-z]{4,}[^siou\W]s")
# What nobody should be said to like.
_UNFIT = re.compile(
    "sex|slave|nazi|rape|breast|kill|murder|corpse|terror|musl|jew|christian|hindu|indian|black"
    "|white|prostit|bastard|suicid|abus|victim|nipple|thigh|martyr|massac|whore|racis|gay|tortur"
    "|assault|bomb|attack|death|dead|orphan|crime|criminal|disease|cancer|tumor"
)

_Any = TypeVar("_Any")

MOST_NAMES = len(_FIRST) * len(_SYLLABLES) ** _N_SYLLABLES
MOST_THINGS = 20_000
_N_REAL = 2_500


@dataclass(frozen=True, slots=True)
class Thing:
    """What can be liked, in the documents' word and in another; the same where there is none."""

    name: str
    synonym: str


@cache
def synonyms() -> tuple[Thing, ...]:
    """The things that have two names."""
    pairs = (pair.split() for pair in _SYNONYMS.split(","))
    return tuple(Thing(name, other) for name, other in pairs)


@cache
def plain_words() -> tuple[str, ...]:
    """Words that are no name of a thing with two: plurals that exist, then some that could."""
    import lexmax

    tokenizer = orjson.loads((Path(lexmax.__file__).parent / _VOCABULARY).read_bytes())
    taken = {word for thing in synonyms() for word in (thing.name, thing.synonym)}
    words = (word for word in sorted(tokenizer["model"]["vocab"]) if _PLURAL.fullmatch(word))
    real = [word for word in words if word not in taken and not _UNFIT.search(word)]
    invented = ("".join(parts) + "ns" for parts in product(_SYLLABLES, repeat=_N_SYLLABLES))
    return (*real, *islice(invented, MOST_THINGS - len(real)))


def things(n_asked: int, n_others: int, *, twin: bool, rng: np.random.Generator) -> list[Thing]:
    """Different things: those that are asked for, then those that are not.

    With `twin`, those that are asked for have two names.
    """
    n_plain = n_others if twin else n_asked + n_others
    # Invented words only where those that exist do not suffice.
    words = plain_words()[: max(n_plain, _N_REAL)]
    plain = [Thing(word, word) for word in _drawn(words, n_plain, rng)]
    return [*_drawn(synonyms(), n_asked, rng), *plain] if twin else plain


def _drawn(every: Sequence[_Any], n: int, rng: np.random.Generator) -> list[_Any]:
    places: list[int] = rng.permutation(len(every))[:n].tolist()
    return [every[place] for place in places]


def names(n: int, rng: np.random.Generator) -> list[str]:
    """Different names of people, a first name and a family name."""
    found: list[str] = []
    numbers: list[int] = rng.choice(MOST_NAMES, n, replace=False).tolist()
    for number in numbers:
        rest, first = divmod(number, len(_FIRST))
        parts: list[str] = []
        for _ in range(_N_SYLLABLES):
            rest, syllable = divmod(rest, len(_SYLLABLES))
            parts.append(_SYLLABLES[syllable])
        found.append(f"{_FIRST[first]} {''.join(parts).capitalize()}")
    return found
