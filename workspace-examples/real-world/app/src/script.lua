-- Fills an in-memory table, packs every row with zlib and with zstd, reads all of it back, and prints checksums.
-- Every number is fixed by the code, so the output is the same on every machine.
local db = require "db"
local pack = require "pack"

local ROWS = 2000
local WORDS = { "token", "slot", "worker", "plan", "lease", "unit", "archive", "link", "header", "object" }

-- A generator of our own: Lua's is seeded anew in every process.
local state = 20
local function random(limit)
  state = (state * 1103515245 + 12345) % 2147483648
  return state // 65536 % limit + 1
end

local function sentence()
  local words = {}
  for i = 1, 20 + random(20) do
    words[i] = WORDS[random(#WORDS)]
  end
  return table.concat(words, " ") .. "."
end

local base = db.open_memory()
base:query "CREATE TABLE texts (id INTEGER PRIMARY KEY, text BLOB, zlib BLOB, zstd BLOB)"
base:query "BEGIN"
for id = 1, ROWS do
  local text = sentence()
  base:query("INSERT INTO texts VALUES (?, ?, ?, ?)", id, text, pack.deflate(text, 6), pack.zstd(text, 3))
end
base:query "COMMIT"

local function column(name, unpack)
  local bytes, crc = 0, 0
  for _, row in ipairs(base:query("SELECT text, " .. name .. " FROM texts ORDER BY id")) do
    local text, packed = row[1], row[2]
    assert(unpack(packed, #text) == text, name .. ": a row reads back differently")
    bytes = bytes + #packed
    crc = pack.crc32(packed, crc)
  end
  print(string.format("%-6s %8d bytes  crc32 %08x", name, bytes, crc))
end

print(string.format("%s, SQLite %s, zlib %s, zstd %s", _VERSION, db.version, pack.zlib_version, pack.zstd_version))
print(string.format("rows   %8d", base:query("SELECT count(*) FROM texts")[1][1]))
column("text", function(text) return text end)
column("zlib", pack.inflate)
column("zstd", pack.unzstd)
print "every row reads back"
