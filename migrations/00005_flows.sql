-- Flows: the draft that is being edited, the immutable versions that were
-- saved, and who may call from outside.

-- +goose Up
CREATE TABLE flows (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id    uuid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    name            text NOT NULL CHECK (name ~ '^[a-z]([a-z0-9-]*[a-z0-9])?$' AND length(name) <= 50),
    title           text NOT NULL CHECK (length(title) <= 120),
    created_by      uuid REFERENCES users ON DELETE SET NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    saved_at        timestamptz,
    current_version bigint NOT NULL DEFAULT 0 CHECK (current_version >= 0),
    applied_version bigint NOT NULL DEFAULT 0 CHECK (applied_version >= 0),
    deleted_at      timestamptz,
    UNIQUE (workspace_id, name)
);
CREATE INDEX flows_workspace_updated ON flows (workspace_id, updated_at DESC, id) WHERE deleted_at IS NULL;

CREATE TABLE flow_drafts (
    flow_id      uuid PRIMARY KEY REFERENCES flows ON DELETE CASCADE,
    workspace_id uuid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    body         jsonb NOT NULL,
    revision     bigint NOT NULL DEFAULT 1 CHECK (revision > 0),
    updated_by   uuid REFERENCES users ON DELETE SET NULL,
    updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX flow_drafts_workspace_id ON flow_drafts (workspace_id);

CREATE TABLE flow_versions (
    flow_id      uuid NOT NULL REFERENCES flows ON DELETE CASCADE,
    number       bigint NOT NULL CHECK (number > 0),
    workspace_id uuid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    body         jsonb NOT NULL,
    hash         text NOT NULL CHECK (length(hash) BETWEEN 1 AND 64),
    note         text NOT NULL DEFAULT '' CHECK (length(note) <= 500),
    created_by   uuid REFERENCES users ON DELETE SET NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (flow_id, number)
);
CREATE INDEX flow_versions_workspace_id ON flow_versions (workspace_id);

-- Flows whose object in the cluster is behind. It holds ids and the cluster's
-- errors only and is worked off across workspaces, so it has no tenant policy.
CREATE TABLE flow_sync (
    flow_id      uuid PRIMARY KEY REFERENCES flows ON DELETE CASCADE,
    workspace_id uuid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    due_at       timestamptz NOT NULL DEFAULT now(),
    attempts     integer NOT NULL DEFAULT 0,
    reason       text NOT NULL DEFAULT '',
    message      text NOT NULL DEFAULT '',
    updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX flow_sync_due_at ON flow_sync (due_at);

-- Only the hash of an endpoint key is kept.
CREATE TABLE endpoint_keys (
    id           uuid PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    flow_id      uuid REFERENCES flows ON DELETE CASCADE,
    flow_name    text NOT NULL CHECK (length(flow_name) BETWEEN 1 AND 50),
    title        text NOT NULL CHECK (length(title) BETWEEN 1 AND 120),
    hash         bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    last4        text NOT NULL CHECK (length(last4) = 4),
    expires_at   timestamptz,
    last_used_at timestamptz,
    created_by   uuid REFERENCES users ON DELETE SET NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX endpoint_keys_flow ON endpoint_keys (workspace_id, flow_name);

ALTER TABLE flows ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON flows TO weft_app USING (workspace_id = weft_workspace()) WITH CHECK (workspace_id = weft_workspace());
ALTER TABLE flow_drafts ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON flow_drafts TO weft_app USING (workspace_id = weft_workspace()) WITH CHECK (workspace_id = weft_workspace());
ALTER TABLE flow_versions ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON flow_versions TO weft_app USING (workspace_id = weft_workspace()) WITH CHECK (workspace_id = weft_workspace());
ALTER TABLE endpoint_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON endpoint_keys TO weft_app USING (workspace_id = weft_workspace()) WITH CHECK (workspace_id = weft_workspace());

GRANT SELECT, INSERT, UPDATE, DELETE ON flows, flow_drafts, flow_sync, endpoint_keys TO weft_app;
GRANT SELECT, INSERT, DELETE ON flow_versions TO weft_app;

-- The gateway knows nothing but the hash when a caller comes.
-- +goose StatementBegin
CREATE FUNCTION weft_endpoint_key_by_hash(of_hash bytea)
RETURNS TABLE (id uuid, workspace_id uuid, workspace_name text, flow_id uuid, flow_name text,
               title text, last4 text, expires_at timestamptz, last_used_at timestamptz, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public
AS $$
    SELECT k.id, k.workspace_id, w.name, k.flow_id, k.flow_name, k.title, k.last4, k.expires_at, k.last_used_at, k.created_at
    FROM endpoint_keys k JOIN workspaces w ON w.id = k.workspace_id
    WHERE k.hash = of_hash AND w.deleted_at IS NULL
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION weft_endpoint_key_by_hash(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION weft_endpoint_key_by_hash(bytea) TO weft_app;

-- +goose Down
DROP FUNCTION weft_endpoint_key_by_hash(bytea);
DROP TABLE endpoint_keys, flow_sync, flow_versions, flow_drafts, flows;
