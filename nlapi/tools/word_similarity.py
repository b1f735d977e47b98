"""Rates the similarity of two English words, by a list of synonyms and a table of word vectors.

The synonyms are those of users and APIs: a machine of the one is an instance of the other. The table is built by
`training/word_vectors.py`.
"""

from __future__ import annotations

import math
import sys
from array import array
from functools import cache, lru_cache
from importlib.resources import files
from operator import mul

from nlapi.resources.naming import stem

# The same word, written shorter; a pair here counts as the word itself.
_ABBREVIATIONS = """
repo repository
org organization organisation
app application
db database
config configuration
env environment
stats statistics
msg message
pic picture
doc document
dir directory
cert certificate
admin administrator
auth authentication
lang language
tz timezone
perm permission
attr attribute
param parameter
spec specification
ext extension
dept department
addr address
acct account
qty quantity
info information
pw password passphrase
var variable
pkg package
img image
svc service
vm machine
pr pull
k8s kubernetes
"""

# One group a line. Of 898 sentences about APIs that were not looked at, the right operation was among the first eight
# for 0.876 with these words and the vectors, and for 0.861 without (docs/design/011-choosing-an-operation.md).
# A word may be in several groups (`task`), and groups are not joined by it: `work` and `todo` are no synonyms.
# Stems and not words are compared, so that a group needs no plural and no other form.
# Only everyday words are here: terms that only one API uses come from its own description.
_GROUPS = """
config configuration settings setting preferences
stats statistics analytics metrics
pic picture photo image
dir directory folder
info information details
machine server instance vm droplet linode node host
boot start launch poweron
shutdown stop halt poweroff
reboot restart
spin create provision deploy
song track music tune
film movie
clip video
artist singer band musician
bill invoice receipt
money balance funds
voucher coupon promo promotion discount
ticket issue case bug
comment note remark reply story
label tag keyword
member user person people colleague teammate
customer client buyer shopper
employee staff worker
vendor supplier seller merchant
firm company business organization
team group
boss manager supervisor
teacher instructor
pupil student learner
doctor physician practitioner
mail email
text sms
phone telephone mobile
chat conversation thread dialog
channel room
call meeting conference
recording audio
contact lead
purchase order
item product article goods
price cost fee rate
cart basket checkout
stock inventory
shipment delivery parcel package
shop store outlet
trip journey travel ride
flight plane
hotel accommodation lodging
place location venue spot
city town
street road
weather forecast climate
news headline story
recipe dish meal
ingredient food
calorie nutrition
picture thumbnail cover
job task work build pipeline
todo task
deadline due
schedule calendar agenda timetable
appointment booking reservation
event happening
holiday vacation leave
birthday birth
history log audit activity
error failure exception
alert alarm notification warning
incident outage
health status
uptime availability
version release
branch ref
pr pull merge
diff compare comparison changes
commit revision
fork copy clone duplicate
backup snapshot
disk volume storage
bucket storage container
file attachment upload
firewall security
key secret credential token
domain hostname dns
ip address
ssl tls certificate
network vpc subnet
cluster kubernetes k8s
size plan
region datacenter zone
flag feature toggle
experiment test
segment audience
campaign promotion
ad advert advertisement creative
budget spend
profile me account
follower subscriber
friend buddy
favorite favourite star like saved bookmark
playlist mix
feed timeline stream
post article entry
page site website
link url
webhook hook callback
invite invitation
role permission
delete remove erase drop kick
add put include insert attach
change edit update modify adjust alter amend
rename retitle
cancel abort revoke withdraw
finish complete close end done resolve
begin start open
approve accept confirm allow
reject deny decline refuse
mute silence
block ban suspend
enable activate on
disable deactivate off
hide conceal
show display
search find lookup
import load
export download dump
login signin logon authenticate authentication auth session
logout signout logoff
signup register registration
prune unused dangling
convert transform translate
send deliver dispatch
transfer move migrate handover
share grant
lock freeze
unlock unfreeze
pause hold
resume continue unpause
skip next
repeat loop
shuffle random
queue upcoming
seek jump
volume loudness
sync refresh synchronize
verify validate check
purge clear empty
list enumerate
merge combine
resize scale
rollback revert undo
publish release
subscribe follow watch
unsubscribe unfollow unwatch
assign allocate delegate
archive retire
restore recover
pay charge
refund reimburse
owe balance
earn revenue income
income salary wage
tax vat
bank account
loan credit
country nation
language tongue
currency money
rating review score
rank position
top best popular
latest newest recent
trending hot popular
similar related
neighbor adjacent
translation i18n
quiz exam
grade mark
course class
school college university
author writer
chapter section
actor cast
team club
match game fixture
player athlete
league competition
score result
goal target objective
car vehicle automobile
train rail
bus coach
station stop
parking garage
fuel gas petrol
temperature heat
wind breeze
rain precipitation
animal pet
dog puppy
cat kitten
joke pun
quote saying
fact trivia
word term
definition meaning
synonym thesaurus
number figure
average mean
total sum
count amount
"""

# 24,000 stems with 50 bytes each, made of Stanford's GloVe vectors (glove.6B, public domain). A bundled sentence
# encoder would be a hundred times larger and slower (docs/design/011-choosing-an-operation.md).
VECTOR_FILE = "meanings.bin"
# Bytes of a vector. Every vector is scaled to the length 127, so a dot product over 127 * 127 is the cosine.
VECTOR_SIZE = 50
# Neighbours stored for each stem, as their positions in the list of stems.
NEIGHBOURS = 6
# Least similarity of two words of one group of synonyms.
_SYNONYM_SIMILARITY = 0.85
_SQUARED_LENGTH = 127.0 * 127.0
_UNKNOWN_RARITY = 1.0


def _parse_groups(groups: str) -> dict[str, frozenset[str]]:
    synonyms: dict[str, set[str]] = {}
    for line in groups.split("\n"):
        group = set(map(stem, line.split()))
        for word in group:
            synonyms.setdefault(word, set()).update(group - {word})
    return {word: frozenset(group_stems) for word, group_stems in synonyms.items()}


SYNONYMS = _parse_groups(_ABBREVIATIONS + _GROUPS)
"""Stem -> the stems of its synonyms."""
SPELLINGS = _parse_groups(_ABBREVIATIONS)
"""Stem -> the stems of its other spellings: a repo is a repository in every context."""


@cache
def _vector_table() -> tuple[dict[str, int], array[int], array[int]]:
    """Return the positions of the stems, the commonest first, and all vectors and all neighbours end to end."""
    _, header, body = (files("nlapi") / "tools" / VECTOR_FILE).read_bytes().split(b"\n", 2)
    positions = {word: position for position, word in enumerate(header.decode().split(" "))}
    neighbours_table = array("H", body[len(positions) * VECTOR_SIZE :])
    if sys.byteorder == "big":
        neighbours_table.byteswap()
    return positions, array("b", body[: len(positions) * VECTOR_SIZE]), neighbours_table


@cache
def _stems() -> tuple[str, ...]:
    return tuple(_vector_table()[0])


@lru_cache(maxsize=8192)
def _vector(word: str) -> tuple[int, ...] | None:
    positions, vectors, _ = _vector_table()
    position = positions.get(word)
    return None if position is None else tuple(vectors[position * VECTOR_SIZE : position * VECTOR_SIZE + VECTOR_SIZE])


@lru_cache(maxsize=65536)
def similarity(first_word: str, second_word: str) -> float:
    """Return the similarity of two stems, from 0 (none, or unknown) to 1 (equal): 0.9 for film and movie."""
    if first_word == second_word:
        return 1.0
    first_vector, second_vector = _vector(first_word), _vector(second_word)
    if first_vector is None or second_vector is None:
        return 0.0
    product: int = sum(map(mul, first_vector, second_vector))
    return max(0.0, product / _SQUARED_LENGTH)


def similarity_or_synonym(first: str, second: str) -> float:
    """Return `similarity`, but at least 0.85 for synonyms: what users call a machine is an instance in an API."""
    cosine = similarity(first, second)
    return max(_SYNONYM_SIMILARITY, cosine) if second in SYNONYMS.get(first, ()) else cosine


def neighbours(word: str) -> list[tuple[str, float]]:
    """Return the stems most similar to the stem `word` with their similarity, the most similar first."""
    positions, _, neighbour_positions = _vector_table()
    position = positions.get(word)
    if position is None:
        return []
    stems = _stems()
    return [
        (stems[index], similarity(word, stems[index]))
        for index in neighbour_positions[position * NEIGHBOURS : (position + 1) * NEIGHBOURS]
    ]


def has_vector(word: str) -> bool:
    """Return whether a stem is in the table."""
    return word in _vector_table()[0]


def rarity(word: str) -> float:
    """Return how rare a stem is in English: 0 for the commonest, 1 for one that is not in the table."""
    positions = _vector_table()[0]
    position = positions.get(word)
    return _UNKNOWN_RARITY if position is None else math.log(2 + position) / math.log(2 + len(positions))
