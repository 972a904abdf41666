/* Runs the script embedded below; the script does the work with the libraries bound in db.c and pack.c. */
#include "bindings.h"

#include "lauxlib.h"
#include "lualib.h"

#include <stdio.h>

static const char script[] = {
#embed "script.lua"
};

int main(void)
{
    lua_State *L = luaL_newstate();
    if (L == NULL) {
        fputs("app: out of memory\n", stderr);
        return 1;
    }
    luaL_openlibs(L);
    luaL_requiref(L, "db", open_db, 0);
    luaL_requiref(L, "pack", open_pack, 0);
    lua_settop(L, 0);

    int failed = luaL_loadbuffer(L, script, sizeof script, "@script.lua") || lua_pcall(L, 0, 0, 0);
    if (failed)
        fprintf(stderr, "app: %s\n", lua_tostring(L, -1));
    lua_close(L);
    return failed;
}
