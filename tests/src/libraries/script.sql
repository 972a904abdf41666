-- Statements of all kinds for SQLite's shell; `sql.rs` adds generated ones. Nothing here depends on time, addresses or chance.
.headers on
.nullvalue NULL
.echo off
PRAGMA page_size = 1024;
PRAGMA foreign_keys = ON;
PRAGMA recursive_triggers = ON;
-- Tables, types, defaults, generated columns.
CREATE TABLE author(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, born INT CHECK(born BETWEEN 1500 AND 2100), note DEFAULT 'none');
CREATE TABLE book(id INTEGER PRIMARY KEY AUTOINCREMENT, author INT REFERENCES author(id) ON DELETE CASCADE ON UPDATE CASCADE, title TEXT, pages INT, price REAL, cents INT GENERATED ALWAYS AS (CAST(round(price * 100) AS INT)) STORED, tag TEXT AS (upper(substr(title, 1, 3))) VIRTUAL);
CREATE TABLE pair(a INT, b TEXT, c BLOB, PRIMARY KEY(b, a)) WITHOUT ROWID;
CREATE TABLE strict_one(i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT;
CREATE TABLE log(seq INTEGER PRIMARY KEY, what TEXT);
CREATE INDEX book_author ON book(author, pages DESC);
CREATE INDEX book_long ON book(title) WHERE pages > 300;
CREATE INDEX book_lower ON book(lower(title), length(title));
CREATE UNIQUE INDEX pair_c ON pair(c);
INSERT INTO author(name, born) VALUES('Ada', 1815), ('Blaise', 1623), ('Carl', 1777), ('Daniel', 1700), ('Emmy', 1882), ('Felix', 1849);
INSERT INTO book(author, title, pages, price) VALUES(1, 'Notes', 66, 3.5), (2, 'Thoughts', 412, 11.25), (2, 'Triangle', 36, 1.99), (3, 'Disquisitions', 668, 40), (4, 'Hydrodynamics', 304, 19.999), (5, 'Ideals', 42, 0.1), (5, 'Invariants', 512, 1e2), (6, 'Erlangen', 48, NULL);
INSERT INTO pair VALUES(1, 'x', x'00'), (2, 'x', x'0001'), (1, 'y', x'ff00ff'), (3, 'z', zeroblob(4));
INSERT INTO strict_one VALUES(1, 2, 'three', x'04', 5), (6, 7.5, '8', x'', '9');
SELECT * FROM author ORDER BY name DESC;
SELECT id, title, cents, tag, typeof(price), typeof(cents) FROM book ORDER BY id;
SELECT a, b, hex(c), length(c) FROM pair ORDER BY b, a;
SELECT typeof(i), typeof(r), typeof(t), typeof(b), typeof(a) FROM strict_one;
-- Errors: constraints, types, syntax, names.
INSERT INTO author(name) VALUES('ADA');
INSERT INTO author(name, born) VALUES('Zeno', -490);
INSERT INTO author(name) VALUES(NULL);
INSERT INTO book(author, title) VALUES(99, 'Nobody');
INSERT INTO pair VALUES(9, 'w', x'00');
INSERT INTO strict_one(i) VALUES('text');
UPDATE book SET cents = 5;
SELECT nothing FROM book;
SELECT * FROM nowhere;
SELEC 1;
SELECT 1 +;
SELECT (1, 2) = (1);
SELECT abs(-9223372036854775808);
SELECT CAST('1' AS INT) / 0, 5 % 0, 1.0 / 0;
SELECT sum(9223372036854775807) FROM author;
CREATE TABLE author(x);
DROP TABLE missing;
SELECT json('{bad');
SELECT substr('abc', 1, 2, 3, 4);
SELECT title FROM book WHERE;
SELECT "unterminated;
";
-- Joins.
SELECT a.name, b.title FROM author a JOIN book b ON b.author = a.id ORDER BY a.name, b.title;
SELECT a.name, count(b.id) AS n, total(b.pages) FROM author a LEFT JOIN book b ON b.author = a.id AND b.pages > 100 GROUP BY a.id HAVING n >= 0 ORDER BY n DESC, a.name;
SELECT a.name, b.title FROM book b RIGHT JOIN author a ON b.author = a.id AND b.pages > 500 ORDER BY 1, 2;
SELECT x.name, y.name FROM author x FULL OUTER JOIN author y ON x.born = y.born + 33 ORDER BY 1, 2;
SELECT count(*) FROM author CROSS JOIN book NATURAL JOIN (SELECT 1 AS one);
SELECT a.name FROM author a WHERE EXISTS (SELECT 1 FROM book WHERE author = a.id AND pages > 400) ORDER BY 1;
SELECT name FROM author WHERE id NOT IN (SELECT author FROM book WHERE pages < 100) ORDER BY 1;
SELECT title, (SELECT name FROM author WHERE id = book.author) AS who FROM book WHERE (pages, author) > (50, 2) ORDER BY title;
SELECT name FROM author WHERE id IN (SELECT author FROM book GROUP BY author HAVING count(*) = 2) ORDER BY 1;
-- Compound queries and common table expressions.
SELECT name FROM author UNION SELECT title FROM book ORDER BY 1 LIMIT 5 OFFSET 2;
SELECT id FROM author EXCEPT SELECT author FROM book WHERE pages > 400 ORDER BY 1 DESC;
SELECT id FROM author INTERSECT SELECT author FROM book WHERE pages > 400 ORDER BY 1;
VALUES(1, 'one'), (2, 'two') UNION ALL VALUES(3, 'three');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT group_concat(i * i, ' ') FROM n;
WITH RECURSIVE f(a, b) AS (VALUES(0, 1) UNION ALL SELECT b, a + b FROM f WHERE b < 10000000) SELECT max(a), count(*) FROM f;
WITH RECURSIVE c(x) AS (SELECT 27 UNION SELECT CASE WHEN x % 2 THEN 3 * x + 1 ELSE x / 2 END FROM c WHERE x > 1) SELECT count(*), max(x) FROM c;
WITH a(x) AS MATERIALIZED (SELECT id FROM author), b(y) AS NOT MATERIALIZED (SELECT author FROM book) SELECT count(*) FROM a, b WHERE x = y;
WITH RECURSIVE xaxis(x) AS (VALUES(-2.0) UNION ALL SELECT x + 0.1 FROM xaxis WHERE x < 1.0), yaxis(y) AS (VALUES(-1.0) UNION ALL SELECT y + 0.2 FROM yaxis WHERE y < 1.0), m(iter, cx, cy, x, y) AS (SELECT 0, x, y, 0.0, 0.0 FROM xaxis, yaxis UNION ALL SELECT iter + 1, cx, cy, x * x - y * y + cx, 2.0 * x * y + cy FROM m WHERE (x * x + y * y) < 4.0 AND iter < 20), m2(iter, cx, cy) AS (SELECT max(iter), cx, cy FROM m GROUP BY cx, cy), a(t) AS (SELECT group_concat(substr(' .+*#', 1 + min(iter / 5, 4), 1), '') FROM m2 GROUP BY cy) SELECT group_concat(rtrim(t), x'0a') AS picture FROM a;
-- Windows.
SELECT title, pages, row_number() OVER w, rank() OVER w, dense_rank() OVER w, percent_rank() OVER w, cume_dist() OVER w, ntile(3) OVER w FROM book WINDOW w AS (ORDER BY pages) ORDER BY pages;
SELECT title, sum(pages) OVER (PARTITION BY author ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM book ORDER BY id;
SELECT title, lag(title, 1, '-') OVER o, lead(title) OVER o, first_value(title) OVER o, last_value(title) OVER o, nth_value(title, 2) OVER o FROM book WINDOW o AS (ORDER BY title) ORDER BY title;
SELECT id, avg(pages) OVER (ORDER BY pages RANGE BETWEEN 50 PRECEDING AND 50 FOLLOWING EXCLUDE CURRENT ROW) FROM book ORDER BY id;
SELECT id, count(*) FILTER (WHERE pages > 100) OVER (ORDER BY id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING EXCLUDE TIES) FROM book ORDER BY id;
SELECT author, group_concat(title, '/') OVER (PARTITION BY author ORDER BY title) FROM book ORDER BY author, title;
SELECT author, string_agg(title, ', ' ORDER BY pages DESC) FROM book GROUP BY author ORDER BY author;
-- Triggers and views.
CREATE TRIGGER book_added AFTER INSERT ON book BEGIN INSERT INTO log(what) VALUES('+' || new.title); END;
CREATE TRIGGER book_gone BEFORE DELETE ON book WHEN old.pages > 40 BEGIN INSERT INTO log(what) VALUES('-' || old.title || ' of ' || coalesce((SELECT name FROM author WHERE id = old.author), '?')); END;
CREATE TRIGGER book_priced AFTER UPDATE OF price ON book BEGIN INSERT INTO log(what) SELECT printf('%s: %.2f to %.2f', old.title, old.price, new.price); END;
CREATE TRIGGER book_free BEFORE UPDATE ON book WHEN new.price < 0 BEGIN SELECT RAISE(ABORT, 'a negative price'); END;
CREATE VIEW shelf(who, what, pages) AS SELECT name, title, pages FROM author JOIN book ON author.id = author;
CREATE TRIGGER shelf_added INSTEAD OF INSERT ON shelf BEGIN INSERT OR IGNORE INTO author(name) VALUES(new.who); INSERT INTO book(author, title, pages) SELECT id, new.what, new.pages FROM author WHERE name = new.who; END;
INSERT INTO shelf VALUES('Grace', 'Compilers', 220), ('ada', 'Engines', 99);
UPDATE book SET price = price * 1.1 WHERE pages > 300;
UPDATE book SET price = -1 WHERE id = 1;
UPDATE book SET price = s.n FROM (SELECT author AS w, count(*) AS n FROM book GROUP BY author) AS s WHERE s.w = book.author AND price IS NULL;
DELETE FROM author WHERE name = 'felix';
DELETE FROM book WHERE title LIKE 'T%' RETURNING id, title, pages;
SELECT * FROM shelf ORDER BY who, what;
SELECT * FROM log ORDER BY seq;
CREATE TABLE tree(id INTEGER PRIMARY KEY, parent INT, depth INT DEFAULT 0);
CREATE TRIGGER tree_grows AFTER INSERT ON tree WHEN new.depth < 6 BEGIN INSERT INTO tree(parent, depth) VALUES(new.id, new.depth + 1), (new.id, new.depth + 1); END;
INSERT INTO tree(parent) VALUES(NULL);
SELECT depth, count(*), sum(parent) FROM tree GROUP BY depth;
-- Upserts.
CREATE TABLE counter(k TEXT PRIMARY KEY, n INT, last TEXT);
INSERT INTO counter VALUES('a', 1, 'x') ON CONFLICT(k) DO UPDATE SET n = n + 1, last = excluded.last;
INSERT INTO counter VALUES('a', 1, 'y'), ('b', 1, 'y'), ('a', 1, 'z') ON CONFLICT(k) DO UPDATE SET n = n + 1, last = excluded.last WHERE n < 3 RETURNING k, n, last;
INSERT INTO counter VALUES('b', 7, 'q') ON CONFLICT DO NOTHING;
REPLACE INTO counter VALUES('b', 9, 'r');
INSERT OR FAIL INTO counter VALUES('c', 1, 's'), ('a', 1, 's'), ('d', 1, 's');
INSERT OR IGNORE INTO counter VALUES('c', 2, 't'), ('e', 1, 't');
SELECT * FROM counter ORDER BY k;
-- Transactions and savepoints.
BEGIN; INSERT INTO log(what) VALUES('lost'); SELECT count(*) FROM log WHERE what = 'lost'; ROLLBACK;
SELECT count(*) FROM log WHERE what = 'lost';
BEGIN IMMEDIATE; SAVEPOINT one; INSERT INTO log(what) VALUES('one'); SAVEPOINT two; INSERT INTO log(what) VALUES('two'); ROLLBACK TO two; RELEASE one; COMMIT;
SELECT what FROM log WHERE what IN ('one', 'two');
COMMIT;
BEGIN; BEGIN;
INSERT OR ROLLBACK INTO counter VALUES('a', 0, '');
ROLLBACK;
BEGIN; CREATE TABLE temporary_one(x); INSERT INTO temporary_one VALUES(1); ROLLBACK;
SELECT count(*) FROM sqlite_schema WHERE name = 'temporary_one';
-- Values: numbers, text, dates, formats.
SELECT 1, 1.5, -2e10, 1e400, -1e400, 9223372036854775807, 9223372036854775808, 0x7fffffffffffffff, .5, 1e-320;
SELECT round(2.5), round(-2.5), round(1.005, 2), round(123456.789, -2), abs(-5.5), sign(-3), min(3, 1, 2), max('a', 'b', 1);
SELECT 7 / 2, -7 / 2, 7 % -3, 7.0 / 2, 5 & 3, 5 | 3, ~5, 1 << 40, -1 >> 1, 'a' || 1 || NULL, 'a' || 2.0;
SELECT 0.1 + 0.2, 1.0 / 3, 100.0, 1e15, 1e16, 123456789012345678, 3.0e-5, CAST(1e18 AS INT), CAST('12abc' AS INT), CAST(3.99 AS INT);
SELECT sqrt(2), exp(1), ln(10), log(100), log2(8), pow(2, 0.5), sin(1), cos(1), tan(1), asin(0.5), atan2(1, 2), degrees(pi()), floor(-1.5), ceil(-1.5), trunc(-1.5), mod(7.5, 2);
SELECT upper('straße'), length('straße'), length(CAST('straße' AS BLOB)), unicode('ß'), char(83, 8364, 128512), hex('é'), instr('abcabc', 'ca'), replace('aXbX', 'X', '--'), trim('  a '), ltrim('xxa', 'x'), rtrim('axx', 'x'), quote('it''s'), quote(x'0102'), quote(1.5), substr('hello', -3, 2);
SELECT printf('%5d|%-5d|%05d|%+d|%x|%X|%o|%c|%s|%10.3f|%e|%g|%%|%q|%Q|%w|%,d', 42, 42, 42, 42, 255, 255, 8, 'z', 'str', 3.14159, 12345.678, 0.0001, 'it''s', NULL, 'a"b', 1234567);
SELECT format('%!.20f %.15g %!g', 0.1, 1.0 / 3, 100), unhex('414243'), concat('a', NULL, 1), concat_ws('-', 'a', NULL, 'b'), iif(1 > 2, 'y', 'n'), nullif(1, 1), ifnull(NULL, 2), coalesce(NULL, NULL, 3), likely(1), octet_length('é');
SELECT 'abc' LIKE 'A%', 'abc' GLOB 'a*', 'abc' GLOB 'A*', 'a%c' LIKE 'a\%c' ESCAPE '\', 'abc' BETWEEN 'abb' AND 'abd', NULL IS NULL, 1 IS NOT 2, NULL = NULL, 1 IS DISTINCT FROM NULL, 'é' LIKE 'É';
SELECT date('2024-02-29', '+1 year'), datetime('2023-12-31 23:59:59', '+1 second'), julianday('2000-01-01'), strftime('%Y %j %W %w %H:%M:%f %s %J', '2021-03-04 05:06:07.891'), date('2024-01-31', 'start of month', '+1 month', '-1 day'), unixepoch('1970-01-02'), timediff('2024-03-01', '2023-02-28'), date('2024-05-05', 'weekday 1'), datetime(1700000000, 'unixepoch'), date('garbage');
SELECT CASE 3 WHEN 1 THEN 'a' WHEN 3 THEN 'c' ELSE 'z' END, CASE WHEN NULL THEN 1 END, (SELECT 5), 5 IN (1, 5), 5 NOT IN (1, NULL), (1, 2) < (1, 3), EXISTS (SELECT 1 WHERE 0);
SELECT count(*), count(price), avg(price), sum(pages), total(NULL), min(title), max(title), group_concat(DISTINCT author) FROM book;
SELECT median(pages) FROM book;
SELECT percentile(pages, 25) FROM book;
SELECT DISTINCT length(title) FROM book ORDER BY 1;
SELECT author, max(pages), title FROM book GROUP BY author ORDER BY author;
SELECT title COLLATE RTRIM FROM book ORDER BY title COLLATE NOCASE DESC NULLS LAST LIMIT 3;
-- JSON.
CREATE TABLE doc(id INTEGER PRIMARY KEY, j TEXT CHECK(json_valid(j)));
INSERT INTO doc(j) VALUES('{"a":1,"b":[1,2,{"c":null}],"d":"x\u00e9y"}'), ('[1,2.50,"three",true,null]'), ('{"nested":{"deep":{"er":[[[]]]}}}'), ('"text"'), ('3');
INSERT INTO doc(j) VALUES('{');
SELECT id, json_type(j), json_extract(j, '$.b[2]'), j -> '$.b', j ->> '$.d', json_array_length(j, '$.b') FROM doc ORDER BY id;
SELECT doc.id, t.key, t.value, t.type, t.atom, t.fullkey, t.path FROM doc, json_tree(doc.j) t ORDER BY doc.id, t.id;
SELECT key, value FROM json_each('{"x":1,"y":[2]}');
SELECT json_set('{"a":1}', '$.b', json('[1]'), '$.a', 'q'), json_insert('[1]', '$[#]', 2), json_replace('{"a":1}', '$.z', 0), json_remove('[0,1,2]', '$[1]'), json_patch('{"a":1,"b":2}', '{"a":null,"c":3}');
SELECT json_object('k', 1, 'l', json_array(1, 'two', NULL)), json_quote('a"b'), json_group_array(title), json_group_object(id, pages) FROM book;
SELECT json_pretty('{"a":[1,2,{"b":null}]}'), json_valid('{a:1}', 6), json('{a:1,/*c*/b:0x10,}'), json_error_position('{"a":}');
SELECT hex(jsonb('[1,"a",null]')), json(jsonb('{"a":[1,2]}')), jsonb_extract(jsonb('{"a":[1,2]}'), '$.a[1]');
-- Full-text search.
CREATE VIRTUAL TABLE ft USING fts5(title, body, tokenize = 'porter unicode61', prefix = '2 3');
INSERT INTO ft VALUES('compilers', 'Compilers translate programs; a compiler optimises loops.'), ('linkers', 'A linker joins objects and resolves symbols.'), ('loaders', 'Loaders map programs and resolve what linkers left.'), ('assemblers', 'Assembling is translating mnemonics.');
SELECT title, highlight(ft, 1, '[', ']') FROM ft WHERE ft MATCH 'program OR translate' ORDER BY rank, title;
SELECT title, snippet(ft, 1, '<', '>', '...', 4), round(bm25(ft), 4) FROM ft WHERE ft MATCH 'resolv*' ORDER BY title;
SELECT title FROM ft WHERE ft MATCH 'body : (resolve AND linker) NOT title : linkers';
SELECT title FROM ft('NEAR(linker object, 3)');
SELECT title FROM ft('"map programs"');
SELECT title FROM ft('^compiler');
SELECT * FROM ft('unbalanced "');
UPDATE ft SET body = 'Nothing to see' WHERE title = 'loaders';
DELETE FROM ft WHERE title = 'assemblers';
INSERT INTO ft(ft) VALUES('optimize');
INSERT INTO ft(ft) VALUES('integrity-check');
INSERT INTO ft(ft, rank) VALUES('rank', 'bm25(10.0, 1.0)');
CREATE VIRTUAL TABLE words USING fts5vocab('ft', 'row');
SELECT * FROM words ORDER BY term;
CREATE VIRTUAL TABLE tri USING fts5(x, tokenize = 'trigram');
INSERT INTO tri VALUES('abcdef'), ('xbcdy'), ('zzz');
SELECT x FROM tri WHERE x LIKE '%bcd%' ORDER BY x;
CREATE VIRTUAL TABLE old_ft USING fts4(x, tokenize=porter);
INSERT INTO old_ft VALUES('running runners ran'), ('walks walking');
SELECT snippet(old_ft), offsets(old_ft), hex(matchinfo(old_ft)) FROM old_ft WHERE old_ft MATCH 'run';
-- R-trees.
CREATE VIRTUAL TABLE box USING rtree(id, x0, x1, y0, y1, +label TEXT);
INSERT INTO box SELECT value, value % 10, value % 10 + 1.5, value / 10, value / 10 + 0.5, 'b' || value FROM generate_series(1, 200);
SELECT id, label FROM box WHERE x0 >= 3 AND x1 <= 6 AND y0 >= 4 AND y1 <= 7 ORDER BY id;
SELECT count(*), min(x0), max(y1) FROM box WHERE y0 > 15;
DELETE FROM box WHERE id % 3 = 0;
UPDATE box SET x0 = -5, label = 'moved' WHERE id = 100;
INSERT INTO box VALUES(1000, 5, 4, 0, 0, 'wrong');
SELECT rtreecheck('box'), (SELECT count(*) FROM box), (SELECT label FROM box WHERE x0 < 0);
CREATE VIRTUAL TABLE polygon USING geopoly(name);
INSERT INTO polygon(_shape, name) VALUES('[[0,0],[2,0],[2,2],[0,2],[0,0]]', 'square'), ('[[1,1],[4,1],[1,4],[1,1]]', 'triangle');
SELECT name, geopoly_area(_shape), geopoly_json(geopoly_bbox(_shape)) FROM polygon WHERE geopoly_overlap(_shape, '[[1.5,1.5],[3,1.5],[3,3],[1.5,1.5]]') ORDER BY name;
-- Schema changes.
ALTER TABLE counter ADD COLUMN extra TEXT DEFAULT 'e';
ALTER TABLE counter RENAME COLUMN last TO latest;
ALTER TABLE counter RENAME TO tally;
ALTER TABLE tally DROP COLUMN extra;
ALTER TABLE book DROP COLUMN title;
CREATE TABLE copy AS SELECT k, n * 2 AS twice FROM tally;
SELECT * FROM copy ORDER BY k;
CREATE TEMP TABLE t1(x, y); INSERT INTO temp.t1 VALUES(1, 2); SELECT * FROM temp.t1;
ATTACH ':memory:' AS other; CREATE TABLE other.o(x); INSERT INTO other.o SELECT id FROM author; SELECT sum(x) FROM other.o; DETACH other;
CREATE INDEX copy_twice ON copy(twice); REINDEX copy_twice; DROP INDEX copy_twice;
SELECT type, name, tbl_name FROM sqlite_schema WHERE name NOT LIKE '%\_%' ESCAPE '\' ORDER BY name;
SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo('book');
PRAGMA index_list('book'); PRAGMA index_xinfo('book_lower'); PRAGMA foreign_key_list('book');
PRAGMA foreign_keys = OFF; INSERT INTO book(author, title) VALUES(12345, 'dangling'); PRAGMA foreign_key_check; DELETE FROM book WHERE title = 'dangling'; PRAGMA foreign_keys = ON;
-- Plans and bytecode.
ANALYZE;
SELECT tbl, idx, stat FROM sqlite_stat1 WHERE tbl IN ('author', 'book', 'pair') ORDER BY 1, 2;
SELECT tbl, idx, neq, nlt, ndlt FROM sqlite_stat4 WHERE tbl = 'book' ORDER BY 1, 2, 3, 4, 5 LIMIT 12;
EXPLAIN QUERY PLAN SELECT * FROM book WHERE author = 2 AND pages > 10 ORDER BY pages;
EXPLAIN QUERY PLAN SELECT * FROM book b JOIN author a ON a.id = b.author WHERE lower(b.title) = 'x' OR b.id = 5;
EXPLAIN QUERY PLAN SELECT author, sum(pages) FROM book GROUP BY author UNION SELECT 1, 2 ORDER BY 2;
EXPLAIN QUERY PLAN WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9) SELECT * FROM n, box WHERE box.id = n.i;
EXPLAIN SELECT count(*) FROM book WHERE pages > 5;
EXPLAIN UPDATE book SET price = 1 WHERE author = 3;
-- The shell's own commands and forms of output.
.tables
.indexes book
.schema book
.mode list
.separator | \n
SELECT id, title, price FROM book ORDER BY id LIMIT 3;
.mode csv
SELECT 'a,b', 'c"d', NULL, 'e' || char(10) || 'f', 1.5;
.mode column
SELECT id, title, price FROM book ORDER BY id LIMIT 4;
.mode box
SELECT id, title, pages FROM book ORDER BY id LIMIT 3;
.mode table
SELECT id, name FROM author ORDER BY id LIMIT 3;
.mode markdown
SELECT id, name, born FROM author ORDER BY id LIMIT 3;
.mode json
SELECT id, name, note, NULL AS n, x'01' AS b FROM author ORDER BY id LIMIT 2;
.mode html
SELECT '<&>', 2;
.mode insert somewhere
SELECT * FROM pair;
.mode quote
SELECT 1, 'it''s', NULL, x'0a', 2.5;
.mode line
SELECT id, name FROM author LIMIT 2;
.mode tcl
SELECT 'a "b"', 'c\d';
.mode ascii
SELECT 1, 2;
.mode list
.headers off
.parameter init
.parameter set :limit 250
SELECT title FROM book WHERE pages > :limit ORDER BY title;
.once written.txt
SELECT 'into a file', 1;
.import --csv --skip 0 imported.csv imported
SELECT * FROM imported;
.dump tally pair
.sha3sum
.fullschema
.show
.unknown
.width 5 -8
.print done with modes
.eqp on
SELECT name FROM author WHERE id = 2;
.eqp off
.changes on
UPDATE tally SET n = n;
.changes off
.limit length
.dbinfo
.lint fkey-indexes
.selftest --init
.expert
SELECT * FROM book WHERE price > 3 AND pages = 4;
-- Vacuum and checks.
SELECT name, sum(pageno > 0), sum(ncell), sum(payload) FROM dbstat WHERE name IN ('author', 'book', 'tree') GROUP BY name;
PRAGMA integrity_check;
PRAGMA auto_vacuum = FULL;
VACUUM;
PRAGMA auto_vacuum; PRAGMA page_count; PRAGMA freelist_count;
DELETE FROM tree WHERE depth > 3;
VACUUM INTO 'copy.db';
ATTACH 'copy.db' AS copied; SELECT count(*) FROM copied.tree; PRAGMA copied.integrity_check; DETACH copied;
BEGIN; VACUUM; COMMIT;
PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = OFF; PRAGMA user_version = 7; PRAGMA user_version; PRAGMA encoding;
PRAGMA quick_check;
.backup saved.db
.open saved.db
SELECT count(*) FROM sqlite_schema;
.recover
.quit
