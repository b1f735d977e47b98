"""Small tables of the world: words that stand for a code or for a value of a status."""

from __future__ import annotations

from nlapi.resources.naming import stem

_COUNTRIES = """
AE=united arab emirates|uae AR=argentina AT=austria AU=australia BD=bangladesh BE=belgium BG=bulgaria BR=brazil
CA=canada CH=switzerland CL=chile CN=china CO=colombia CZ=czech republic|czechia DE=germany DK=denmark
EE=estonia EG=egypt ES=spain FI=finland FR=france GB=united kingdom|uk|great britain|britain|england GR=greece
HK=hong kong HR=croatia HU=hungary ID=indonesia IE=ireland IL=israel IN=india IR=iran IS=iceland IT=italy
JP=japan KE=kenya KR=south korea|korea LT=lithuania LU=luxembourg LV=latvia MA=morocco MX=mexico MY=malaysia
NG=nigeria NL=netherlands|holland NO=norway NZ=new zealand PE=peru PH=philippines PK=pakistan PL=poland
PT=portugal RO=romania RS=serbia RU=russia SA=saudi arabia SE=sweden SG=singapore SI=slovenia SK=slovakia
TH=thailand TR=turkey TW=taiwan UA=ukraine US=united states|united states of america|usa|us|america VN=vietnam
ZA=south africa
"""
_STATES = """
AL=alabama AK=alaska AZ=arizona AR=arkansas CA=california CO=colorado CT=connecticut DE=delaware
DC=district of columbia FL=florida GA=georgia HI=hawaii ID=idaho IL=illinois IN=indiana IA=iowa KS=kansas KY=kentucky
LA=louisiana ME=maine MD=maryland MA=massachusetts MI=michigan MN=minnesota MS=mississippi MO=missouri MT=montana
NE=nebraska NV=nevada NH=new hampshire NJ=new jersey NM=new mexico NY=new york NC=north carolina ND=north dakota
OH=ohio OK=oklahoma OR=oregon PA=pennsylvania RI=rhode island SC=south carolina SD=south dakota TN=tennessee TX=texas
UT=utah VT=vermont VA=virginia WA=washington WV=west virginia WI=wisconsin WY=wyoming
"""
_LANGUAGES = """
ar=arabic bg=bulgarian cs=czech da=danish de=german el=greek en=english es=spanish et=estonian fi=finnish
fr=french he=hebrew hi=hindi hr=croatian hu=hungarian id=indonesian it=italian ja=japanese ko=korean
lt=lithuanian lv=latvian nl=dutch no=norwegian pl=polish pt=portuguese ro=romanian ru=russian sk=slovak
sl=slovenian sr=serbian sv=swedish th=thai tr=turkish uk=ukrainian vi=vietnamese zh=chinese
"""
_CURRENCIES = """
AUD=australian dollars|australian dollar BRL=brazilian reais|brazilian real CAD=canadian dollars|canadian dollar
CHF=swiss francs|swiss franc CNY=chinese yuan|yuan|chinese yuan renminbi|renminbi CZK=czech koruna DKK=danish krone
EUR=euros|euro GBP=british pounds|british pound|pounds sterling|british pounds sterling|pounds|pound sterling HKD=hong
kong dollars|hong kong dollar HUF=hungarian forint IDR=indonesian rupiah ILS=israeli shekels|israeli shekel INR=indian
rupees|indian rupee|rupees|rupee JPY=japanese yen|yen KRW=korean won|south korean won MXN=mexican pesos|mexican peso
MYR=malaysian ringgit NOK=norwegian krone NZD=new zealand dollars|new zealand dollar PHP=philippine pesos|philippine
peso PLN=polish zloty RUB=russian rubles|russian ruble|rubles SEK=swedish krona|swedish kronor SGD=singapore
dollars|singapore dollar THB=thai baht|baht TRY=turkish lira USD=us dollars|us dollar|american
dollars|dollars|dollar|american dollar|united states dollar|united states dollars|u.s. dollars ZAR=south african rand
"""


def _table(text: str) -> dict[str, str]:
    """`FR=france GB=uk|great britain` -> {"france": "FR", "uk": "GB", "great britain": "GB"}."""
    names: dict[str, list[str]] = {}
    code = ""
    for piece in text.split():
        if "=" in piece:
            code, _, piece = piece.partition("=")
        names.setdefault(code, []).append(piece)
    return {name: code for code, parts in names.items() for name in " ".join(parts).split("|")}


COUNTRIES = _table(_COUNTRIES)
"""Name in lower case -> ISO 3166-1 alpha-2."""
STATES = _table(_STATES)
"""Name of a state of the US in lower case -> its two letters."""
LANGUAGES = _table(_LANGUAGES)
"""Name in lower case -> ISO 639-1."""
CURRENCY_NAMES = _table(_CURRENCIES)
"""Name in lower case -> ISO 4217."""

_SAME = (
    "active running live enabled resume activate reactivate enable unpause start",
    "paused inactive disabled stopped suspended pause deactivate disable suspend stop",
    "closed done completed resolved finished complete finish",
    "desc descending newest latest highest decreasing",
    "asc ascending oldest lowest earliest increasing",
    "open unresolved pending",
    "archived archive",
    "draft unpublished",
    "daily day",
    "weekly week",
    "monthly month",
    "hourly hour",
    "yearly annual year annually",
    "add create insert append",
    "delete remove erase drop",
    "update change edit modify",
    "high strong strongest maximum highest full",
    "mid medium middle moderate intermediate",
    "low weak weakest minimum lowest light",
)
SYNONYMS: dict[str, frozenset[str]] = {}
"""Stem -> stems that may be meant by it in the value of an enum."""
for _line in _SAME:
    _group = frozenset(map(stem, _line.split()))
    for _word in _group:
        SYNONYMS[_word] = SYNONYMS.get(_word, frozenset()) | _group
