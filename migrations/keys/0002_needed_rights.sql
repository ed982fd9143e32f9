-- Column by column what each service's statements need.
revoke all on data_keys from patchbay_api, patchbay_worker;
grant select (account_id, key_encryption_key, wrapped) on data_keys to patchbay_api, patchbay_worker;
grant insert (account_id, key_encryption_key, wrapped, created_at) on data_keys to patchbay_api;
