-- Workspaces are the tenants; teams own some of them.

-- +goose Up
CREATE TABLE workspaces (
    id             uuid PRIMARY KEY,
    name           text NOT NULL UNIQUE CHECK (name ~ '^[a-z]([a-z0-9-]*[a-z0-9])?$' AND length(name) <= 40),
    title          text NOT NULL CHECK (length(title) <= 120),
    owner_kind     text NOT NULL CHECK (owner_kind IN ('User', 'Team')),
    owner_id       uuid NOT NULL,
    -- UID of the Workspace object, once the cluster has it.
    uid            text CHECK (length(uid) <= 64),
    provisioned_at timestamptz,
    deleted_at     timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now()
);
-- An owner has one workspace at most; deleted ones wait for the cluster.
CREATE UNIQUE INDEX workspaces_owner ON workspaces (owner_kind, owner_id) WHERE deleted_at IS NULL;
CREATE INDEX workspaces_pending ON workspaces (id) WHERE provisioned_at IS NULL OR deleted_at IS NOT NULL;

ALTER TABLE workspaces ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workspaces TO weft_app USING (id = weft_workspace()) WITH CHECK (id = weft_workspace());
GRANT SELECT, INSERT, UPDATE, DELETE ON workspaces TO weft_app;

CREATE TABLE teams (
    id           uuid PRIMARY KEY,
    workspace_id uuid NOT NULL UNIQUE REFERENCES workspaces ON DELETE CASCADE,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE members (
    team_id      uuid NOT NULL REFERENCES teams ON DELETE CASCADE,
    workspace_id uuid NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role         text NOT NULL CHECK (role IN ('owner', 'editor', 'reader')),
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX members_user_id ON members (user_id);
CREATE INDEX members_workspace_id ON members (workspace_id);

ALTER TABLE teams ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON teams TO weft_app USING (workspace_id = weft_workspace()) WITH CHECK (workspace_id = weft_workspace());
ALTER TABLE members ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON members TO weft_app USING (workspace_id = weft_workspace()) WITH CHECK (workspace_id = weft_workspace());
GRANT SELECT, INSERT, UPDATE, DELETE ON teams, members TO weft_app;

-- The few questions that come before a tenant is known. Each function answers
-- one of them, as the owner of the tables, with the columns it needs.

-- +goose StatementBegin
CREATE FUNCTION weft_personal_workspace(of_user uuid)
RETURNS TABLE (id uuid, name text, title text, uid text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public
AS $$
    SELECT w.id, w.name, w.title, w.uid FROM workspaces w
    WHERE w.owner_kind = 'User' AND w.owner_id = of_user AND w.deleted_at IS NULL
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION weft_workspace_by_name(of_name text)
RETURNS TABLE (id uuid, name text, title text, uid text, owner_kind text, owner_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public
AS $$
    SELECT w.id, w.name, w.title, w.uid, w.owner_kind, w.owner_id FROM workspaces w
    WHERE w.name = of_name AND w.deleted_at IS NULL
$$;
-- +goose StatementEnd

-- What the cluster should know of: everything, or what it may not know yet.
-- +goose StatementBegin
CREATE FUNCTION weft_workspaces_to_reconcile(everything boolean)
RETURNS TABLE (id uuid, name text, title text, owner_kind text, owner_id uuid, uid text, deleted boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public
AS $$
    SELECT w.id, w.name, w.title, w.owner_kind, w.owner_id, w.uid, w.deleted_at IS NOT NULL FROM workspaces w
    WHERE everything OR w.provisioned_at IS NULL OR w.deleted_at IS NOT NULL
    ORDER BY w.created_at
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION weft_personal_workspace(uuid), weft_workspace_by_name(text), weft_workspaces_to_reconcile(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION weft_personal_workspace(uuid), weft_workspace_by_name(text), weft_workspaces_to_reconcile(boolean) TO weft_app;

-- +goose Down
DROP FUNCTION weft_personal_workspace(uuid), weft_workspace_by_name(text), weft_workspaces_to_reconcile(boolean);
DROP TABLE members, teams, workspaces;
