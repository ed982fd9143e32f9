-- Who owns things, who logs in, and with which keys programs come.
create table accounts (
    id uuid primary key,
    name text not null check (length(name) between 1 and 200),
    plan text not null check (plan in ('free', 'builder', 'pro', 'enterprise', 'local')),
    status text not null default 'active' check (status in ('active', 'suspended')),
    period_anchor date not null,
    created_at timestamptz not null
);
comment on table accounts is 'Who pays and owns';
comment on column accounts.id is 'UUIDv7';
comment on column accounts.name is 'As its owner calls it';
comment on column accounts.plan is 'Decides the bounds';
comment on column accounts.status is 'A suspended account is refused everywhere';
comment on column accounts.period_anchor is 'UTC day whose day of the month begins each quota period';
comment on column accounts.created_at is 'When it was made';

create table users (
    id uuid primary key,
    email_identity text not null unique check (length(email_identity) between 3 and 254),
    email text not null check (length(email) between 3 and 254),
    name text check (length(name) between 1 and 200),
    password_hash text not null,
    email_verified_at timestamptz,
    terms_accepted_at timestamptz not null,
    created_at timestamptz not null
);
comment on table users is 'Who logs in';
comment on column users.id is 'UUIDv7';
comment on column users.email_identity is 'Trimmed, NFC, lower case: two spellings are one user';
comment on column users.email is 'As typed, for mail';
comment on column users.name is 'As the user wants to be called';
comment on column users.password_hash is 'argon2id, PHC string';
comment on column users.email_verified_at is 'When the address was shown to be theirs';
comment on column users.terms_accepted_at is 'When the terms were accepted';
comment on column users.created_at is 'When the user registered';

create table memberships (
    account_id uuid not null references accounts (id) on delete cascade,
    user_id uuid not null references users (id) on delete cascade,
    role text not null check (role in ('owner', 'member')),
    created_at timestamptz not null,
    primary key (account_id, user_id)
);
comment on table memberships is 'Which user belongs to which account';
comment on column memberships.account_id is 'The account';
comment on column memberships.user_id is 'The user';
comment on column memberships.role is 'What the user may do in it';
comment on column memberships.created_at is 'Since when';
create index memberships_by_user on memberships (user_id, created_at);

create table refresh_tokens (
    token_hash bytea primary key check (length(token_hash) = 32),
    family uuid not null,
    account_id uuid not null references accounts (id) on delete cascade,
    user_id uuid not null references users (id) on delete cascade,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz
);
comment on table refresh_tokens is 'One row per refresh token ever given out and not yet purged';
comment on column refresh_tokens.token_hash is 'SHA-256 of the token';
comment on column refresh_tokens.family is 'The login it descends from';
comment on column refresh_tokens.account_id is 'The account it acts for';
comment on column refresh_tokens.user_id is 'The user who logged in';
comment on column refresh_tokens.created_at is 'When it was given out';
comment on column refresh_tokens.expires_at is 'From then on it is refused';
comment on column refresh_tokens.revoked_at is 'Set by a logout';
create index refresh_tokens_by_user on refresh_tokens (user_id);
create index refresh_tokens_by_family on refresh_tokens (family);
create index refresh_tokens_by_expiry on refresh_tokens (expires_at);

create table api_keys (
    id uuid primary key,
    account_id uuid not null references accounts (id) on delete cascade,
    created_by uuid references users (id) on delete set null,
    name text not null check (length(name) between 1 and 200),
    secret_hash text not null,
    scopes text[] not null check (cardinality(scopes) between 1 and 32),
    namespaces uuid[] check (cardinality(namespaces) between 1 and 100),
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);
comment on table api_keys is 'With what programs come; its text is shown once and kept nowhere';
comment on column api_keys.id is 'UUIDv7, the public half of the key''s text';
comment on column api_keys.account_id is 'The account it acts for';
comment on column api_keys.created_by is 'The user who made it; null where that user is gone or none did';
comment on column api_keys.name is 'As its owner calls it';
comment on column api_keys.secret_hash is 'argon2id of the secret, PHC string';
comment on column api_keys.scopes is 'What it may do';
comment on column api_keys.namespaces is 'Where it may do it; null is everywhere in the account';
comment on column api_keys.created_at is 'When it was made';
comment on column api_keys.expires_at is 'From then on it is refused; null is never';
comment on column api_keys.revoked_at is 'When it was revoked';
comment on column api_keys.last_used_at is 'About when it was last used';
create index api_keys_by_account on api_keys (account_id, id);
