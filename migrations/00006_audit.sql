-- Who did what, when, with which result: ids and codes, nothing that a person
-- wrote. The portal can add to it and read its own tenant's part; it can
-- neither change nor remove a row. Rows outlive what they speak of, so there
-- are no foreign keys.

-- +goose Up
CREATE TABLE audit (
    id           uuid PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT now(),
    workspace_id uuid,
    actor        text NOT NULL CHECK (length(actor) BETWEEN 1 AND 200),
    action       text NOT NULL CHECK (length(action) BETWEEN 1 AND 64),
    object       text NOT NULL CHECK (length(object) <= 200),
    outcome      text NOT NULL CHECK (outcome IN ('ok', 'denied', 'error')),
    detail       text NOT NULL DEFAULT '' CHECK (length(detail) <= 500)
);
CREATE INDEX audit_workspace_at ON audit (workspace_id, at DESC, id);

ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON audit FOR SELECT TO weft_app USING (workspace_id = weft_workspace());
CREATE POLICY tenant_adds ON audit FOR INSERT TO weft_app WITH CHECK (workspace_id IS NULL OR workspace_id = weft_workspace());
GRANT SELECT, INSERT ON audit TO weft_app;

-- +goose Down
DROP TABLE audit;
