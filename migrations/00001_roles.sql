-- The role of the running portal. It owns nothing and is subject to row-level
-- security; whoever logs in as the portal is a member of it.
-- Roles belong to the whole server, so another database may have made it.

-- +goose Up
-- +goose StatementBegin
DO $$
BEGIN
    CREATE ROLE weft_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
-- +goose StatementEnd

GRANT USAGE ON SCHEMA public TO weft_app;

-- The tenant of the transaction. NULL, and so no row at all, when none is set.
-- +goose StatementBegin
CREATE FUNCTION weft_workspace() RETURNS uuid
LANGUAGE sql STABLE
SET search_path = pg_catalog
AS $$ SELECT NULLIF(current_setting('app.workspace_id', true), '')::uuid $$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION weft_workspace();
REVOKE USAGE ON SCHEMA public FROM weft_app;
