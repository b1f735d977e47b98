"""Synonyms of users and APIs: a machine of the one is an instance of the other."""

from __future__ import annotations

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
