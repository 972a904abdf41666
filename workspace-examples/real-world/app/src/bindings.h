/* What main.c makes known to Lua. Each function is a module opener for luaL_requiref. */
#pragma once

#include "lua.h"

int open_db(lua_State *L);
int open_pack(lua_State *L);
