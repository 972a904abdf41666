/* The Lua module "db": one in-memory SQLite database. */
#include "bindings.h"

#include "lauxlib.h"
#include "sqlite3.h"

#define DATABASE "app.database"

static sqlite3 *database(lua_State *L)
{
    return *(sqlite3 **)luaL_checkudata(L, 1, DATABASE);
}

static int fail(lua_State *L, sqlite3 *db)
{
    return luaL_error(L, "sqlite: %s", sqlite3_errmsg(db));
}

static void bind(lua_State *L, sqlite3 *db, sqlite3_stmt *statement, int parameter, int arg)
{
    int status;
    if (lua_isinteger(L, arg)) {
        status = sqlite3_bind_int64(statement, parameter, lua_tointeger(L, arg));
    } else if (lua_type(L, arg) == LUA_TNUMBER) {
        status = sqlite3_bind_double(statement, parameter, lua_tonumber(L, arg));
    } else {
        size_t size;
        const char *text = luaL_checklstring(L, arg, &size);
        status = sqlite3_bind_blob64(statement, parameter, text, size, SQLITE_TRANSIENT);
    }
    if (status != SQLITE_OK) {
        sqlite3_finalize(statement);
        fail(L, db);
    }
}

static void push_column(lua_State *L, sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        lua_pushinteger(L, sqlite3_column_int64(statement, column));
        break;
    case SQLITE_FLOAT:
        lua_pushnumber(L, sqlite3_column_double(statement, column));
        break;
    case SQLITE_NULL:
        lua_pushnil(L);
        break;
    default: {
        /* The blob first: asking for the size first could convert the value. */
        const char *bytes = sqlite3_column_blob(statement, column);
        lua_pushlstring(L, bytes ? bytes : "", (size_t)sqlite3_column_bytes(statement, column));
    }
    }
}

/* database:query(sql, parameter...) -> list of rows, each a list of values */
static int query(lua_State *L)
{
    sqlite3 *db = database(L);
    const char *sql = luaL_checkstring(L, 2);
    int parameters = lua_gettop(L) - 2;
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        return fail(L, db);
    for (int i = 1; i <= parameters; i++)
        bind(L, db, statement, i, i + 2);

    lua_newtable(L);
    int status;
    for (lua_Integer row = 1; (status = sqlite3_step(statement)) == SQLITE_ROW; row++) {
        int columns = sqlite3_column_count(statement);
        lua_createtable(L, columns, 0);
        for (int column = 0; column < columns; column++) {
            push_column(L, statement, column);
            lua_rawseti(L, -2, column + 1);
        }
        lua_rawseti(L, -2, row);
    }
    sqlite3_finalize(statement);
    if (status != SQLITE_DONE)
        return fail(L, db);
    return 1;
}

static int close_database(lua_State *L)
{
    sqlite3_close(database(L));
    return 0;
}

static int open_memory(lua_State *L)
{
    sqlite3 **db = lua_newuserdatauv(L, sizeof *db, 0);
    *db = NULL;
    luaL_setmetatable(L, DATABASE);
    if (sqlite3_open(":memory:", db) != SQLITE_OK)
        return fail(L, *db);
    return 1;
}

int open_db(lua_State *L)
{
    static const luaL_Reg methods[] = {{"query", query}, {"__gc", close_database}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open_memory", open_memory}, {NULL, NULL}};
    luaL_newmetatable(L, DATABASE);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    lua_pushstring(L, sqlite3_libversion());
    lua_setfield(L, -2, "version");
    return 1;
}
