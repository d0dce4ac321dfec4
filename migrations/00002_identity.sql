-- Accounts and sessions. They belong to people, not to workspaces, so there is
-- no tenant to check here; secrets are stored as hashes only.

-- +goose Up
CREATE TABLE users (
    id            uuid PRIMARY KEY,
    email         text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    birth         date NOT NULL,
    password_hash text NOT NULL CHECK (length(password_hash) BETWEEN 1 AND 512),
    administrator boolean NOT NULL DEFAULT false,
    disabled_at   timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sessions (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- A session is a family of refresh tokens: one that comes a second time ends
-- the session.
CREATE TABLE refresh_tokens (
    hash       bytea PRIMARY KEY CHECK (length(hash) = 32),
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at    timestamptz
);
CREATE INDEX refresh_tokens_session_id ON refresh_tokens (session_id);

-- Failed logins by a hash of the name that was tried, whether or not there is
-- such an account.
CREATE TABLE login_failures (
    name_hash bytea PRIMARY KEY CHECK (length(name_hash) = 32),
    failures  integer NOT NULL,
    last_at   timestamptz NOT NULL
);
CREATE INDEX login_failures_last_at ON login_failures (last_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON users, sessions, refresh_tokens, login_failures TO weft_app;

-- +goose Down
DROP TABLE login_failures, refresh_tokens, sessions, users;
