"""Words that prompts are made of, and what is known of their tokens."""

from __future__ import annotations

import msgspec

# Short words that the tokenizers of most language models have as one token each.
_COMMON = """
time year people way day man thing woman life child world school state family student group country problem hand
part place case week company system program question work government number night point home water room mother area
money story fact month lot right study book eye job word business issue side kind head house service friend father
power hour game line end member law car city community name president team minute idea body information back parent
face level office door health person art war history party result change morning reason research girl guy moment air
teacher force education foot boy age policy music market sense product plan food field blood the and for are but not
you all any can had her was one our out has him his how new now old see two who its let say she too use that with
have this will your from they know want been good much some them then than look only come over think also after
first well even because give most find here many make like long great such take into just other should still between
never last another while both each under might next set large small high different left big few open seem together
white light run turn against move live hard start near tree cross farm sea draw late real rule table north south
east west stop once base hear horse cut sure watch color wood main plain ready above ever red list feel talk bird
soon dog song measure black short class wind complete ship half rock order fire hundred king space heard best better
true during five remember step early hold ground interest reach fast sing listen six travel less ten simple several
toward lay center love serve appear road map rain govern pull cold notice voice fall town fine fly lead cry dark
machine note wait figure star box noun rest able pound done beauty drive stood contain front green final gave oh
quick develop ocean warm free strong special mind clear tail produce street nothing course stay wheel full blue
object decide surface deep moon island yet busy test record boat common gold possible plane dry wonder laugh
thousand ago ran check shape hot miss brought heat snow bed bring sit perhaps fill weight language among
"""
COMMON_WORDS = tuple(_COMMON.split())


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """Words of one token each for a model, and the tokens that a request has besides those of its words.

    system: the server takes a system message, of which the first words of a prompt are then made.
    """

    words: tuple[str, ...]
    template_tokens: int
    system: bool = False
