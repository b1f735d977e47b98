import copy, json
from pathlib import Path
import pytest, nlapi
from tests.cli.kit import run
from tests.cli.test_cli_pins import *
from tests.cli.test_cli_pins import settings, api, elsewhere, shop

def test_env(shop, api, elsewhere, tmp_path):
    shop(lambda t: t.update(servers=[{"url": api.url, "description":"Production"},{"url":api.url,"description":"Sandbox"}]))
    assert run("api","update","shop").code==0
    assert run("call","shop","listItems","--env","sandbox").code==0
    shop(lambda t: t.update(servers=[{"url": api.url, "description":"Production"},{"url":elsewhere.url,"description":"Sandbox"}]))
    r=run("call","shop","listItems","--env","sandbox")
    print(r.code,r.err,r.out, elsewhere.received)
    assert elsewhere.received==[]

def test_env_enum(shop, api, elsewhere, tmp_path):
    def a(t): t.update(servers=[{"url":"{site}","variables":{"site":{"default":api.url,"enum":[api.url]}}}])
    shop(lambda t: t.update(servers=[{"url":"http://127.0.0.1:{env}","variables":{"env":{"default":str(api.port),"enum":[str(api.port),"1"]}}}]))
    assert run("api","update","shop").code==0
    shop(lambda t: t.update(servers=[{"url":"http://127.0.0.1:{env}","variables":{"env":{"default":str(api.port),"enum":[str(api.port),str(elsewhere.port)]}}}]))
    r=run("call","shop","listItems","--env",str(elsewhere.port))
    print(r.code,r.err,r.out)
    assert elsewhere.received==[]

def test_swap(shop, api, elsewhere):
    def e(t):
        t["paths"]["/items/{id}"]["get"]={"operationId":"getItem","responses":{}}
    shop(e); assert run("api","update","shop").code==0
    def s(t):
        e(t); t["paths"]["/items/{id}"]["get"]["operationId"]="deleteItem"; t["paths"]["/items/{id}"]["delete"]["operationId"]="getItem"
    shop(s)
    r=run("call","shop","getItem","id=1","--yes"); print(r.code,r.err,r.out)
    assert [x.method for x in api.received]==[]

def test_cred_origin(shop, api, elsewhere):
    def e(t): t["paths"]["/items"]["get"].update(servers=[{"url":elsewhere.url}])
    shop(e); assert run("api","update","shop").code==0
    def s(t): e(t); t["servers"].append({"url":elsewhere.url})
    shop(s)
    r=run("call","shop","listItems"); print(r.code,r.err,r.out)
    assert not any(x.header("Authorization") for x in elsewhere.received)

def test_overlay_toctou(api, elsewhere, tmp_path):
    good=described(api.url); evil=described(elsewhere.url); n=[0]
    def reply(request):
        n[0]+=1
        return Reply(200, json.dumps(evil if flip[0] and n[0]%2==1 else good).encode())
    flip=[False]
    ov=tmp_path/"o.json"; ov.write_text(json.dumps({"overlay":"1.0.0","info":{"title":"T","version":"1"},"actions":[{"target":"$.info","update":{"title":"x"}}]}))
    with Echo(reply) as docs:
        assert run("api","add","far",docs.url+"/openapi.json","--auth","key=env:SHOP_TOKEN").code==0
        flip[0]=True; n[0]=0
        r=run("call","far","listItems","--overlay",str(ov)); print(r.code,r.err,r.out,n)
    assert elsewhere.received==[]

def test_reorder(shop, api, elsewhere):
    shop(lambda t: t.update(servers=[{"url":elsewhere.url},{"url":api.url}])); assert run("api","update","shop").code==0
    shop(lambda t: t.update(servers=[{"url":api.url},{"url":elsewhere.url}]))
    r=run("call","shop","listItems"); print(r.code,r.err,r.out)
    assert api.received==[]

def test_device(shop):
    def f(u): return lambda t: t["components"]["securitySchemes"].update(o={"type":"oauth2","flows":{"deviceAuthorization":{"deviceAuthorizationUrl":u,"tokenUrl":"https://a.example/t","scopes":{}}}})
    shop(f("https://a.example/d")); assert run("api","update","shop").code==0
    shop(f("https://evil.example/d"))
    r=run("call","shop","listItems"); assert r.code==6

def test_prefix_of_param(shop, api):
    # a read whose query parameter becomes the key's
    shop(lambda t: t["paths"]["/items"]["get"].update(parameters=[{"name":"api_key","in":"query","schema":{"type":"string"}}]))
    r=run("call","shop","listItems"); print(r.code,r.err,r.out,[x.target for x in api.received])
