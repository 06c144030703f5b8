"""How wrong are these scores?

Every loss takes scores of B queries, float (B, 1 + N), the positive in column 0 and its negatives
behind it, and gives sum over i of weights[i] * loss[i] / B, a scalar: weights multiply the
samples' losses before the mean, never the mean itself. Bigger scores are better.

Arguments that many share:
    teacher: A teacher's scores, (B, 1 + N), NaN where it gave none.
    mask: Which scores count, bool (B, 1 + N); column 0 always does.
    weights: How much each sample counts, (B,); 1 each where None.
"""

import torch

from lexmax.errors import ShapeError

Scores = torch.Tensor
Optional = torch.Tensor | None


def contrastive(
    scores: Scores, *, mask: Optional = None, weights: Optional = None, temperature: float = 1.0
) -> torch.Tensor:
    """Cross entropy of the positive among all (InfoNCE, van den Oord et al. 2018)."""
    return _mean(-_log_softmax(scores / temperature, _counted(scores, mask))[:, 0], weights)


def focal(
    scores: Scores,
    *,
    mask: Optional = None,
    weights: Optional = None,
    temperature: float = 1.0,
    gamma: float = 0.5,
) -> torch.Tensor:
    """Contrastive loss times (1 - p)^gamma, p the positive's share (KaLM-Embedding-V2, 2506.20923).

    The factor is a constant to the gradient, which for gamma below 1 is infinite where p is 1.
    """
    log_share = _log_softmax(scores / temperature, _counted(scores, mask))[:, 0]
    hardness = (1 - log_share.detach().exp()).clamp(min=0) ** gamma
    return _mean(-log_share * hardness, weights)


def one_minus_softmax(
    scores: Scores, *, mask: Optional = None, weights: Optional = None
) -> torch.Tensor:
    """1 - the positive's share of a softmax (EPIC; MacAvaney et al. 2020)."""
    return _mean(1 - _log_softmax(scores, _counted(scores, mask))[:, 0].exp(), weights)


def margin_mse(
    scores: Scores, *, teacher: torch.Tensor, mask: Optional = None, weights: Optional = None
) -> torch.Tensor:
    """Mean over negatives of ((s+ - s-) - (t+ - t-))^2 (Hofstätter et al. 2020).

    Negatives that the teacher did not score do not count, nor do samples whose positive it did
    not; a sample without negatives has loss 0.
    """
    known = _known(scores, teacher, mask)
    taught = teacher.to(scores.dtype).masked_fill(~known, 0.0)
    difference = (scores[:, :1] - scores[:, 1:]) - (taught[:, :1] - taught[:, 1:])
    return _mean(_row_means(difference**2, known[:, 1:] & known[:, :1]), weights)


def kl(
    scores: Scores,
    *,
    teacher: torch.Tensor,
    mask: Optional = None,
    weights: Optional = None,
    temperature: float = 1.0,
    teacher_temperature: float | None = None,
) -> torch.Tensor:
    """KL(softmax(t / T) || softmax(s / T)) over what the teacher scored.

    Args:
        scores: As above.
        teacher: As above.
        mask: As above.
        weights: As above.
        temperature: T of both.
        teacher_temperature: T of the teacher where it is another.
    """
    known = _known(scores, teacher, mask)
    taught_at = temperature if teacher_temperature is None else teacher_temperature
    taught = teacher.to(scores.dtype).masked_fill(~known, 0.0) / taught_at
    target = _log_softmax(taught, known)
    learned = _log_softmax(scores / temperature, known)
    terms = (target.exp() * (target - learned)).masked_fill(~known, 0.0)
    return _mean(terms.sum(dim=1), weights)


def pld(
    scores: Scores,
    *,
    teacher: torch.Tensor,
    mask: Optional = None,
    weights: Optional = None,
    temperature: float = 1.0,
    top: int | None = None,
) -> torch.Tensor:
    """Plackett-Luce distillation (arXiv 2506.12542).

    The order is the positive, then the others by falling teacher score, ties as they stand. The
    loss is the negative logarithm of the chance that drawing without replacement by
    softmax(scores) gives that order, each draw weighted with the teacher's share of what is drawn.

    Args:
        scores: As above.
        teacher: As above.
        mask: As above.
        weights: As above.
        temperature: Of the teacher's softmax.
        top: How many draws count; None for all.
    """
    known = _known(scores, teacher, mask)
    known = known & known[:, :1]  # Without the positive there is no order to learn.
    taught = teacher.to(scores.dtype).masked_fill(~known, -torch.inf)
    shares = torch.softmax(taught / temperature, dim=1).nan_to_num(0.0)
    first = taught.clone()
    first[:, 0] = torch.inf
    order = first.argsort(dim=1, descending=True, stable=True)
    ordered = scores.masked_fill(~known, -torch.inf).gather(1, order)
    # Unknown ones stand last and are out of every sum; a finite number keeps gradients finite.
    drawn = known.gather(1, order)
    rest = (
        ordered.masked_fill(~drawn, torch.finfo(scores.dtype).min).flip(1).logcumsumexp(1).flip(1)
    )
    terms = shares.gather(1, order) * (ordered.masked_fill(~drawn, 0.0) - rest)
    return _mean(-terms.masked_fill(~drawn, 0.0)[:, :top].sum(dim=1), weights)


def term_mse(
    predicted: torch.Tensor,
    *,
    labels: torch.Tensor,
    mask: torch.Tensor,
    weights: Optional = None,
) -> torch.Tensor:
    """Mean squared error of the weights of a text's tokens (DeepCT; Dai & Callan 2019).

    Args:
        predicted: Weights of tokens, (B, width).
        labels: Their shares of relevant queries, (B, width).
        mask: Which tokens count, bool (B, width).
        weights: Of the texts, (B,).
    """
    return _mean(_row_means((predicted - labels) ** 2, mask), weights)


def triplet(
    scores: Scores, *, mask: Optional = None, weights: Optional = None, margin: float = 1.0
) -> torch.Tensor:
    """Mean over negatives of max(0, s- - s+ + margin); scores are negative distances."""
    counted = _counted(scores, mask)[:, 1:]
    return _mean(_row_means(torch.relu(scores[:, 1:] - scores[:, :1] + margin), counted), weights)


def multi_similarity(
    scores: Scores,
    *,
    mask: Optional = None,
    weights: Optional = None,
    positives: Optional = None,
    alpha: float = 2.0,
    beta: float = 50.0,
    threshold: float = 0.5,
    margin: float = 0.1,
) -> torch.Tensor:
    """Multi-Similarity loss (Wang et al., CVPR 2019), for similarities up to 1.

    Of the negatives those count that come within `margin` of the lowest positive, of the
    positives those within `margin` of the highest negative; the latter is taken over all
    negatives, as the authors' code does. A sample that keeps none of a kind has loss 0 for it.

    Args:
        scores: As above.
        mask: As above.
        weights: As above.
        positives: Which columns are positives, bool (B, 1 + N); column 0 alone where None.
        alpha: Steepness for positives.
        beta: Steepness for negatives.
        threshold: Similarity that divides the kinds, λ in the paper.
        margin: ε in the paper.
    """
    counted = _counted(scores, mask)
    if positives is None:
        positives = torch.zeros_like(counted)
        positives[:, 0] = True
    good, bad = positives & counted, ~positives & counted
    lowest = scores.masked_fill(~good, torch.inf).amin(1, keepdim=True).detach()
    highest = scores.masked_fill(~bad, -torch.inf).amax(1, keepdim=True).detach()
    pulled = _log1p_sum_exp(-alpha * (scores - threshold), good & (scores - margin < highest))
    pushed = _log1p_sum_exp(beta * (scores - threshold), bad & (scores + margin > lowest))
    return _mean(pulled / alpha + pushed / beta, weights)


def lambda_pairwise(
    scores: Scores, *, mask: Optional = None, weights: Optional = None, cut: int | None = None
) -> torch.Tensor:
    """Mean over negatives of log(1 + e^(s- - s+)) * |1/rank- - 1/rank+| (JPQ, 2108.00644).

    Ranks are those of the current scores among all that count, 1 for the best, ties as they
    stand; beyond `cut` a reciprocal rank is 0.
    """
    counted = _counted(scores, mask)
    current = scores.detach().masked_fill(~counted, -torch.inf)
    order = current.argsort(dim=1, descending=True, stable=True)
    ranks = torch.empty_like(order).scatter_(
        1, order, torch.arange(1, scores.shape[1] + 1, device=scores.device).expand_as(order)
    )
    gains = 1.0 / ranks.to(scores.dtype)
    if cut is not None:
        gains = gains.masked_fill(ranks > cut, 0.0)
    terms = torch.nn.functional.softplus(scores[:, 1:] - scores[:, :1])
    return _mean(_row_means(terms * (gains[:, 1:] - gains[:, :1]).abs(), counted[:, 1:]), weights)


def yes_no(
    scores: Scores,
    *,
    mask: Optional = None,
    weights: Optional = None,
    labels: Optional = None,
    text_weights: Optional = None,
) -> torch.Tensor:
    """Mean over texts of -log p(label), the loss of fine-tuned rerankers (arXiv 2510.14824).

    Args:
        scores: Logits of "yes" less those of "no", (B, 1 + N).
        mask: As above.
        weights: As above.
        labels: 1 for "yes", 0 for "no", (B, 1 + N); "yes" for column 0 alone where None.
        text_weights: How much each text counts, (B, 1 + N); multiplied before the mean.
    """
    if labels is None:
        labels = torch.zeros_like(scores)
        labels[:, 0] = 1
    terms = torch.nn.functional.binary_cross_entropy_with_logits(
        scores, labels.to(scores.dtype), reduction="none"
    )
    if text_weights is not None:
        terms = terms * text_weights.to(terms.dtype)
    return _mean(_row_means(terms, _counted(scores, mask)), weights)


def in_batch(
    scores: torch.Tensor, groups: torch.Tensor, *, also_relevant: Optional = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores with all documents of the batch as negatives, and the mask that goes with them.

    Args:
        scores: Of every query with every document of the batch, (B, D).
        groups: Rows of the documents of each query, the positive in column 0, int64 (B, 1 + N).
        also_relevant: Documents known as relevant besides, bool (B, D); no negatives.

    Returns:
        Scores (B, 1 + D), the positive's in column 0 and those of all documents behind it; and
        which of them count, bool (B, 1 + D): all but the positive's second and the relevant.

    Raises:
        ShapeError: if `scores` and `groups` have different numbers of queries.
    """
    if len(scores) != len(groups):
        raise ShapeError(f"{len(scores)} queries have scores and {len(groups)} have groups")
    positives = groups[:, :1]
    counted = torch.ones_like(scores, dtype=torch.bool).scatter_(1, positives, False)
    if also_relevant is not None:
        counted &= ~also_relevant
    first = torch.ones_like(counted[:, :1])
    return (
        torch.cat([scores.gather(1, positives), scores], dim=1),
        torch.cat([first, counted], dim=1),
    )


def relevant_to_equal_queries(
    queries: list[str], groups: torch.Tensor, *, n_documents: int
) -> torch.Tensor:
    """Documents that are the positive of an equal query, bool (B, n_documents)."""
    places: dict[str, list[int]] = {}
    for i, query in enumerate(queries):
        places.setdefault(query, []).append(i)
    relevant = torch.zeros((len(queries), n_documents), dtype=torch.bool, device=groups.device)
    for rows in places.values():
        same = torch.tensor(rows, device=groups.device)
        relevant[same[:, None], groups[same, 0][None, :]] = True
    return relevant


def _counted(scores: torch.Tensor, mask: Optional) -> torch.Tensor:
    if mask is None:
        return torch.ones_like(scores, dtype=torch.bool)
    counted = mask.clone()
    counted[:, 0] = True
    return counted


def _known(scores: torch.Tensor, teacher: torch.Tensor, mask: Optional) -> torch.Tensor:
    return ~teacher.isnan() if mask is None else ~teacher.isnan() & _counted(scores, mask)


def _log_softmax(scores: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """As log_softmax over what counts, 0 elsewhere and in rows where nothing does."""
    lowest = torch.finfo(scores.dtype).min
    shares = torch.log_softmax(scores.masked_fill(~counted, lowest), dim=1)
    return shares.masked_fill(~counted, 0.0)


def _log1p_sum_exp(exponents: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """log(1 + sum of e^exponent over what counts), (B,), without overflow."""
    lowest = torch.finfo(exponents.dtype).min
    with_one = torch.cat([torch.zeros_like(exponents[:, :1]), exponents], dim=1)
    kept = torch.cat([torch.ones_like(counted[:, :1]), counted], dim=1)
    return with_one.masked_fill(~kept, lowest).logsumexp(dim=1)


def _row_means(terms: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    sums = terms.masked_fill(~counted, 0.0).sum(dim=1)
    return sums / counted.sum(dim=1).clamp(min=1)


def _mean(losses: torch.Tensor, weights: Optional) -> torch.Tensor:
    weighed = losses if weights is None else losses * weights.to(losses.dtype)
    return weighed.sum() / max(len(losses), 1)
