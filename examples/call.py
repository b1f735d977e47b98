"""Call operations by name, against a sandbox of the bundled ads API: a read, a refused write, a write with consent."""

import nlapi
from nlapi.errors import ConsentError
from nlapi.sandbox import running

spec = nlapi.load("ads")
with running(spec) as server:
    to = {"base_url": server.url, "auth": {"bearer": "any"}}

    campaigns = nlapi.call(spec, "listCampaigns", {"status": ["ACTIVE"], "limit": 2}, **to)
    print(campaigns.status, [campaign["name"] for campaign in campaigns.data["data"]])

    first = campaigns.data["data"][0]["id"]
    try:
        nlapi.call(spec, "updateCampaign", {"campaign_id": first, "status": "PAUSED"}, **to)
    except ConsentError as error:
        print(error.message)

    paused = nlapi.call(spec, "updateCampaign", {"campaign_id": first, "status": "PAUSED"}, **to, yes=True)
    print(paused.status, paused.data["status"])
