"""What `imagewright explain IWnnn` says: the meaning of every error code, and what helps. Needs no network."""

from collections.abc import Mapping

from imagewright.cli.explanation import Explanation
from imagewright.cli.explanations_asking import ASKING
from imagewright.cli.explanations_building import BUILDING
from imagewright.cli.explanations_surroundings import SURROUNDINGS

EXPLANATIONS: Mapping[str, Explanation] = {one.code: one for one in (*ASKING, *BUILDING, *SURROUNDINGS)}
