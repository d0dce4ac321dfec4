-- Keys of providers, encrypted. The ciphertext is bound to workspace, key and
-- version, so that a row is worth nothing in another place.

-- +goose Up
CREATE TABLE vault_keys (
    id              uuid PRIMARY KEY,
    workspace_id    uuid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    name            text NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' AND length(name) <= 63),
    title           text NOT NULL CHECK (length(title) BETWEEN 1 AND 120),
    provider        text NOT NULL CHECK (length(provider) <= 32),
    last4           text NOT NULL CHECK (length(last4) <= 4),
    current_version bigint NOT NULL CHECK (current_version > 0),
    created_by      uuid REFERENCES users ON DELETE SET NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, name)
);

CREATE TABLE vault_key_versions (
    key_id       uuid NOT NULL REFERENCES vault_keys ON DELETE CASCADE,
    version      bigint NOT NULL CHECK (version > 0),
    workspace_id uuid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    kek_id       text NOT NULL CHECK (length(kek_id) BETWEEN 1 AND 64),
    wrapped_dek  bytea NOT NULL,
    ciphertext   bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_id, version)
);
CREATE INDEX vault_key_versions_workspace_id ON vault_key_versions (workspace_id);

ALTER TABLE vault_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON vault_keys TO weft_app USING (workspace_id = weft_workspace()) WITH CHECK (workspace_id = weft_workspace());
ALTER TABLE vault_key_versions ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON vault_key_versions TO weft_app USING (workspace_id = weft_workspace()) WITH CHECK (workspace_id = weft_workspace());
GRANT SELECT, INSERT, UPDATE, DELETE ON vault_keys TO weft_app;
GRANT SELECT, INSERT, DELETE ON vault_key_versions TO weft_app;

-- A known text under each key-encryption key that was ever used: a portal
-- whose key cannot read it must not start.
CREATE TABLE vault_kek_probes (
    kek_id     text PRIMARY KEY CHECK (length(kek_id) BETWEEN 1 AND 64),
    ciphertext bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON vault_kek_probes TO weft_app;

-- Names and versions of every workspace's keys, for the copies that the
-- portal keeps in the cluster. Nothing of the keys themselves.
-- +goose StatementBegin
CREATE FUNCTION weft_vault_index()
RETURNS TABLE (workspace_id uuid, workspace_name text, key_name text, key_version bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public
AS $$
    SELECT w.id, w.name, k.name, k.current_version
    FROM workspaces w LEFT JOIN vault_keys k ON k.workspace_id = w.id
    WHERE w.deleted_at IS NULL
    ORDER BY w.name, k.name
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION weft_vault_index() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION weft_vault_index() TO weft_app;

-- +goose Down
DROP FUNCTION weft_vault_index();
DROP TABLE vault_kek_probes, vault_key_versions, vault_keys;
