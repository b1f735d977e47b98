-- The tables of the gateway's store, by the step of store_schema.py that makes them; what stands in braces are words of
-- the dialect. Steps are only added, never edited.

-- step: first
CREATE TABLE revisions (
  number INTEGER PRIMARY KEY, at {text} NOT NULL, who {text} NOT NULL, why {text} NOT NULL,
  summary {text} NOT NULL, objectives {text} NOT NULL, restores INTEGER NOT NULL, document {text} NOT NULL);
CREATE TABLE tokens (
  name {text} PRIMARY KEY, digest {text} NOT NULL UNIQUE, audience {text} NOT NULL, role {text} NOT NULL,
  client {text} NOT NULL, created_at {text} NOT NULL, expires_at {text});
CREATE TABLE audit (
  id {row_key}, at {text} NOT NULL, who {text} NOT NULL, action {text} NOT NULL, target {text} NOT NULL,
  outcome {text} NOT NULL, detail {text} NOT NULL);
CREATE TABLE decisions (
  id {row_key}, request_id {text} NOT NULL, at {text} NOT NULL, objective {text} NOT NULL, model {text} NOT NULL,
  version {text} NOT NULL, "user" {text}, client {text}, experiment {text}, canary {text}, failed INTEGER NOT NULL,
  body {text} NOT NULL);
CREATE INDEX decisions_by_request ON decisions (request_id);
CREATE INDEX decisions_by_time ON decisions (at);
CREATE INDEX audit_by_time ON audit (at);

-- step: shared artifacts
-- The row of `artifacts` comes last in the transaction of its chunks, so an artifact is whole or absent.
CREATE TABLE artifacts (
  digest {text} PRIMARY KEY, size BIGINT NOT NULL, created_at TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE TABLE artifact_chunks (
  digest {text} NOT NULL REFERENCES artifacts ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  name {text} NOT NULL, number INTEGER NOT NULL, content BYTEA NOT NULL, PRIMARY KEY (digest, name, number));
-- Weights hardly compress, and trying takes more CPU than sending them.
ALTER TABLE artifact_chunks ALTER COLUMN content SET STORAGE EXTERNAL;

-- step: version digests
CREATE TABLE version_digests (
  model {text} NOT NULL, version {text} NOT NULL, source {text} NOT NULL, digest {text} NOT NULL,
  PRIMARY KEY (model, version, source));

-- step: items
-- An item that stays the same over 200 revisions is one row. `last` is NULL while the item is current, so any revision
-- is one query, and no chain of differences has to be replayed (docs/design/033-change-at-scale.md).
CREATE TABLE items (
  id {row_key}, kind {text} NOT NULL, name {text} NOT NULL, first INTEGER NOT NULL, last INTEGER, body {text} NOT NULL);
CREATE UNIQUE INDEX current_items ON items (kind, name) WHERE last IS NULL;
CREATE INDEX items_by_last ON items (last);
CREATE INDEX items_by_first ON items (first);
-- The pruned revisions that changed an objective: an undo must not skip one of them unnoticed.
CREATE TABLE pruned_changes (
  objective {text} NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (objective, number)) {by_key};

-- step: revisions without documents
-- Not DROP COLUMN, which SQLite has since 3.35 only.
CREATE TABLE revisions_without_documents (
  number INTEGER PRIMARY KEY, at {text} NOT NULL, who {text} NOT NULL, why {text} NOT NULL,
  summary {text} NOT NULL, objectives {text} NOT NULL, restores INTEGER NOT NULL);
INSERT INTO revisions_without_documents SELECT number, at, who, why, summary, objectives, restores FROM revisions;
DROP TABLE revisions;
ALTER TABLE revisions_without_documents RENAME TO revisions;

-- step: routing keys
-- The keys that the gateways of the database have, the newest last. Whoever reads the table can sign nothing.
CREATE TABLE routing_keys (number INTEGER PRIMARY KEY, fingerprint {text} NOT NULL);

-- step: identity
CREATE TABLE store_identity (id {text} NOT NULL);

-- step: outcomes
CREATE TABLE outcomes (id {row_key}, at {text} NOT NULL, objective {text} NOT NULL, body {text} NOT NULL);
CREATE INDEX outcomes_by_objective ON outcomes (objective, at);

-- step: spending
-- What was spent in a window of a budget, the `number`th of its length since 1970, with the estimates of calls in flight.
CREATE TABLE spending (
  scope {text} NOT NULL, seconds INTEGER NOT NULL, number INTEGER NOT NULL, tokens BIGINT NOT NULL,
  dollars DOUBLE PRECISION NOT NULL, PRIMARY KEY (scope, seconds, number));

-- step: daily spending
-- The usage of language models on each day (UTC). The decisions of a busy gateway cover some minutes only.
CREATE TABLE daily_spending (
  id {row_key}, at {text} NOT NULL, objective {text} NOT NULL, model {text} NOT NULL, version {text} NOT NULL,
  client {text} NOT NULL, answers BIGINT NOT NULL, input_tokens BIGINT NOT NULL, cached_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL, dollars DOUBLE PRECISION NOT NULL, UNIQUE (at, objective, model, version, client));
INSERT INTO daily_spending (at, objective, model, version, client, answers, input_tokens, cached_tokens, output_tokens, dollars)
SELECT substr(at, 1, 10), objective, model, version, coalesce(client, ''), count(*), sum({input_tokens}), 0,
  sum({output_tokens}), sum({dollars})
FROM decisions WHERE {dollars} IS NOT NULL GROUP BY 1, 2, 3, 4, 5;
