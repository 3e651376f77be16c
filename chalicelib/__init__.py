"""The plane of Mooring: an AWS Chalice app that drives coding agents on a team's own laptops.

Glossary (one word per thing; code, API, console and docs use these and no others):

tenant      the team; every other thing belongs to exactly one
user        a person of the tenant (``user_…``); has a role: owner, admin, member or viewer
principal   who is asking: an API key, a runtime token, a session token, a browser cookie
scope       a right that a key is narrowed to; it may do what both its scopes and its user's role allow
runtime     one registered laptop (``rt_…``)
daemon      the ``moor daemon`` process on it
room        the runtime's object in the plane
connection  one WebSocket; its role is daemon or viewer
agent       a tenant's versioned definition (``agent_…``)
session     one conversation with an agent (``sesn_…``); it is an object too
turn        one user message (or batch) worked off by the agent (``turn_…``)
event       one whole thing that happened in a session (``sevt_…``)
delta       a piece of an event still being written; never the only copy of anything
log         an object's records, numbered 1, 2, 3 …; the log is the object
cursor      ``record.index``: a place between two events of a log
viewer      whoever is attached to a session to follow it live
outbox      the daemon's SQLite file of whole events not yet acknowledged (``obx_…``)
batch       a frozen group of whole events of one session, numbered from 1 within its outbox
epoch       how many connections a room has accepted; the fence against replaced ones
lease       until when a runtime counts as online without a further ping
receipt     how far a message has come: queued, sent, on_machine, started, then one terminal word
work item   a note that a session owes its runtime something; it holds no frame
bundle      what a session's folder on the laptop gets: instructions, skills, MCP servers, env, blocklist
connect code  one-time code that turns a laptop into a runtime
"""
