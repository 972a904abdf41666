// An in-memory SQL workload of several seconds: what programs built from a cut sqlite3.c are compared by.
// Prints a checksum that depends on every query, so that a wrong compile shows. The argument scales the work.
#include <stdio.h>
#include <stdlib.h>
#include "sqlite3.h"

static unsigned long long sum = 1469598103934665603ull;

static void mix(const char *text) {
  for (; text && *text; ++text)
    sum = (sum ^ (unsigned char)*text) * 1099511628211ull;
}

static int row(void *unused, int columns, char **values, char **names) {
  (void)unused, (void)names;
  for (int i = 0; i < columns; ++i)
    mix(values[i]);
  return 0;
}

static void run(sqlite3 *db, const char *sql) {
  char *error = NULL;
  if (sqlite3_exec(db, sql, row, NULL, &error) != SQLITE_OK) {
    fprintf(stderr, "%s: %s\n", sql, error);
    exit(1);
  }
}

int main(int argc, char **argv) {
  int rows = argc > 1 ? atoi(argv[1]) : 200000;
  sqlite3 *db;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK)
    return 1;
  run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, grp INTEGER, name TEXT, value REAL)");
  run(db, "BEGIN");
  sqlite3_stmt *insert;
  if (sqlite3_prepare_v2(db, "INSERT INTO t VALUES(?, ?, ?, ?)", -1, &insert, NULL) != SQLITE_OK)
    return 1;
  unsigned seed = 12345;
  for (int i = 0; i < rows; ++i) {
    char name[32];
    seed = seed * 1103515245u + 12345u;
    int length = snprintf(name, sizeof name, "n%x", (seed >> 8) % 65536);
    sqlite3_bind_int(insert, 1, i);
    sqlite3_bind_int(insert, 2, (int)((seed >> 16) % 1000));
    sqlite3_bind_text(insert, 3, name, length, SQLITE_TRANSIENT);
    sqlite3_bind_double(insert, 4, (seed >> 4) / 1024.0);
    sqlite3_step(insert);
    sqlite3_reset(insert);
  }
  sqlite3_finalize(insert);
  run(db, "COMMIT");
  run(db, "CREATE INDEX byname ON t(name)");
  run(db, "CREATE INDEX bygroup ON t(grp, value)");
  run(db, "SELECT grp, count(*), sum(id), max(name) FROM t GROUP BY grp ORDER BY 2 DESC, 1 LIMIT 100");
  run(db, "SELECT count(*) FROM t a JOIN t b ON a.name = b.name WHERE a.grp < 100");
  run(db, "SELECT name, count(*) c FROM t WHERE name LIKE '%a%f%' GROUP BY name ORDER BY c DESC, name LIMIT 50");
  run(db, "WITH RECURSIVE f(a, b, n) AS (SELECT 0, 1, 0 UNION ALL SELECT b, (a + b) % 1000003, n + 1 FROM f "
          "WHERE n < 300000) SELECT sum(a) FROM f");
  run(db, "UPDATE t SET value = value * 2, name = name || 'x' WHERE grp % 3 = 0");
  run(db, "DELETE FROM t WHERE id % 7 = 0");
  run(db, "SELECT sum(length(name)), count(DISTINCT name), min(grp) FROM t");
  run(db, "SELECT id, rank() OVER (PARTITION BY grp ORDER BY value DESC, id) r FROM t ORDER BY r, id LIMIT 200");
  run(db, "SELECT substr(hex(name), 1, 6) h, upper(name), replace(name, 'n', 'm') FROM t WHERE id % 5 = 0 "
          "ORDER BY h, id LIMIT 300");
  run(db, "CREATE VIRTUAL TABLE f USING fts5(body)");
  run(db, "INSERT INTO f SELECT name || ' ' || grp || ' word' || (id % 50) FROM t WHERE id % 4 = 0");
  run(db, "SELECT count(*) FROM f WHERE f MATCH 'word7 OR 17'");
  run(db, "PRAGMA integrity_check");
  sqlite3_close(db);
  printf("%016llx\n", sum);
  return 0;
}
