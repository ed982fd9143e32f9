-- Wrapped data keys, one per account. They live in a database of their own, so
-- that no dump of the main one can be read with what it contains.
create table data_keys (
    account_id uuid primary key,
    key_encryption_key text not null check (key_encryption_key ~ '^[A-Za-z0-9_-]{1,32}$'),
    wrapped bytea not null check (length(wrapped) between 60 and 256),
    created_at timestamptz not null,
    rewrapped_at timestamptz
);
comment on table data_keys is 'The key under which an account''s texts are sealed, itself sealed';
comment on column data_keys.account_id is 'Whose texts it seals; no foreign key, the account is in another database';
comment on column data_keys.key_encryption_key is 'Id of the key-encryption key that wraps it';
comment on column data_keys.wrapped is 'Format byte, nonce and AES-256-GCM ciphertext of the 32 bytes';
comment on column data_keys.created_at is 'When it was made';
comment on column data_keys.rewrapped_at is 'When a rotation last wrapped it anew';
create index data_keys_by_key_encryption_key on data_keys (key_encryption_key, account_id);

grant select, insert on data_keys to patchbay_api;
grant select on data_keys to patchbay_worker;
