/* The Lua module "pack": compression with zlib and zstd, and zlib's CRC-32. */
#include "bindings.h"

#include "lauxlib.h"
#include "zlib.h"
#include "zstd.h"

/* deflate(text, level) -> compressed */
static int deflate_string(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    int level = (int)luaL_checkinteger(L, 2);
    luaL_Buffer out;
    uLongf out_size = compressBound(size);
    char *bytes = luaL_buffinitsize(L, &out, out_size);
    int status = compress2((Bytef *)bytes, &out_size, (const Bytef *)text, size, level);
    if (status != Z_OK)
        return luaL_error(L, "zlib: %s", zError(status));
    luaL_pushresultsize(&out, out_size);
    return 1;
}

/* inflate(compressed, size) -> text */
static int inflate_string(lua_State *L)
{
    size_t size;
    const char *compressed = luaL_checklstring(L, 1, &size);
    uLongf out_size = (uLongf)luaL_checkinteger(L, 2);
    luaL_Buffer out;
    char *bytes = luaL_buffinitsize(L, &out, out_size);
    int status = uncompress((Bytef *)bytes, &out_size, (const Bytef *)compressed, size);
    if (status != Z_OK)
        return luaL_error(L, "zlib: %s", zError(status));
    luaL_pushresultsize(&out, out_size);
    return 1;
}

static int push_zstd(lua_State *L, luaL_Buffer *out, size_t result)
{
    if (ZSTD_isError(result))
        return luaL_error(L, "zstd: %s", ZSTD_getErrorName(result));
    luaL_pushresultsize(out, result);
    return 1;
}

/* zstd(text, level) -> compressed */
static int zstd_string(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    int level = (int)luaL_checkinteger(L, 2);
    luaL_Buffer out;
    size_t bound = ZSTD_compressBound(size);
    char *bytes = luaL_buffinitsize(L, &out, bound);
    return push_zstd(L, &out, ZSTD_compress(bytes, bound, text, size, level));
}

/* unzstd(compressed, size) -> text */
static int unzstd_string(lua_State *L)
{
    size_t size;
    const char *compressed = luaL_checklstring(L, 1, &size);
    size_t bound = (size_t)luaL_checkinteger(L, 2);
    luaL_Buffer out;
    char *bytes = luaL_buffinitsize(L, &out, bound);
    return push_zstd(L, &out, ZSTD_decompress(bytes, bound, compressed, size));
}

/* crc32(text, crc = 0) -> crc, so that a checksum can be taken piece by piece */
static int crc32_string(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    lua_Integer crc = luaL_optinteger(L, 2, 0);
    lua_pushinteger(L, (lua_Integer)crc32_z((uLong)crc, (const Bytef *)text, size));
    return 1;
}

int open_pack(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"deflate", deflate_string}, {"inflate", inflate_string}, {"zstd", zstd_string},
        {"unzstd", unzstd_string},   {"crc32", crc32_string},     {NULL, NULL},
    };
    luaL_newlib(L, functions);
    lua_pushstring(L, zlibVersion());
    lua_setfield(L, -2, "zlib_version");
    lua_pushstring(L, ZSTD_versionString());
    lua_setfield(L, -2, "zstd_version");
    return 1;
}
