/* Native encryption: the wrapping keys of datasets, 32 raw bytes each. */
#include "internal.h"

#define KEY_BYTES 32

int iz_crypto_params(dcp_cmd_t command, const uint8_t* key, int with_properties,
                     dsl_crypto_params_t** params) {
  nvlist_t *properties = fnvlist_alloc(), *hidden = fnvlist_alloc();
  int error;

  if (with_properties) {
    if (command == DCP_CMD_NONE) fnvlist_add_uint64(properties, "encryption", ZIO_CRYPT_ON);
    fnvlist_add_uint64(properties, "keyformat", ZFS_KEYFORMAT_RAW);
    fnvlist_add_string(properties, "keylocation", "prompt");
  }
  fnvlist_add_uint8_array(hidden, "wkeydata", (uint8_t*)key, KEY_BYTES);
  error =
      dsl_crypto_params_create_nvlist(command, with_properties ? properties : NULL, hidden, params);
  fnvlist_free(hidden);
  fnvlist_free(properties);
  return (error);
}

int iz_key_load(iz_pool_t* pool, const char* dataset, const uint8_t* key) {
  dsl_crypto_params_t* params = NULL;
  int error;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  error = iz_crypto_params(DCP_CMD_NONE, key, 0, &params);
  if (error != 0) return (error);
  error = spa_keystore_load_wkey(dataset, params, B_FALSE);
  dsl_crypto_params_free(params, error != 0);
  return (error);
}

int iz_key_unload(iz_pool_t* pool, const char* dataset) {
  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  return (spa_keystore_unload_wkey(dataset));
}

int iz_key_change(iz_pool_t* pool, const char* dataset, const uint8_t* key) {
  dsl_crypto_params_t* params = NULL;
  int error;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  error = iz_crypto_params(DCP_CMD_NEW_KEY, key, 1, &params);
  if (error != 0) return (error);
  error = spa_keystore_change_key(dataset, params);
  dsl_crypto_params_free(params, error != 0);
  return (error);
}
