-- What scripts find in place of some of Lua's own functions, and how all that they share is kept from them.
--
-- Plain Lua has no tables that cannot be changed. So scripts never hold one that is shared: they hold a view, an empty table that
-- looks its fields up in the real one and refuses new ones. The functions that pass a metatable over (rawset, next, ...) know views.
--
-- Scripts may reach the functions of this file, and could change what these find as globals: so they use locals only.

local native, globals = ...

local coroutine, math, string, table = globals.coroutine, globals.math, globals.string, globals.table
local floor, insert, concat = math.floor, table.insert, table.concat
local error, getfenv, getmetatable, next, pairs = error, getfenv, getmetatable, next, pairs
local pcall, rawequal, rawget, rawset, resume = pcall, rawequal, rawget, rawset, coroutine.resume
local select, setfenv, setmetatable, tonumber, type = select, setfenv, setmetatable, tonumber, type
local unpack, xpcall, collectgarbage = unpack, xpcall, collectgarbage
local readonly, caught, thrown, compile, fail, bad =
  native.readonly, native.caught, native.thrown, native.compile, native.fail, native.bad

-- The environment of this file, which nobody else may have.
local own = getfenv(1)

-- The real table of every view.
local real = setmetatable({}, { __mode = 'k' })

local function view(contents)
  local it = setmetatable({}, { __index = contents, __newindex = readonly })
  real[it] = contents
  return it
end

-- A table and all those in it as views.
local function deep_view(contents)
  for name, value in pairs(contents) do
    if type(value) == 'table' and not real[value] then
      contents[name] = deep_view(value)
    end
  end
  return view(contents)
end

local sandbox = view(globals)

-- Errors: see thrown.rs. pcall gives the text of an error reply, as it did before error replies were tables.

local function settle(ok, ...)
  if ok then
    return true, ...
  end
  return false, caught((...), true)
end

local function settle_resumed(ok, ...)
  if ok then
    return true, ...
  end
  return false, caught((...), false)
end

function globals.pcall(...)
  return settle(pcall(...))
end

function globals.xpcall(f, handler)
  local function handle(value)
    local known, is_end = thrown(value)
    if is_end then
      return value
    end
    return handler(known)
  end
  return settle_resumed(xpcall(f, handle))
end

function coroutine.resume(...)
  return settle_resumed(resume(...))
end

-- Functions that pass metatables over.

function globals.rawset(t, key, value)
  if real[t] then
    readonly()
  end
  if type(t) ~= 'table' then
    bad(1, 'rawset', 'table', t)
  end
  return rawset(t, key, value)
end

function globals.rawget(t, key)
  if type(t) ~= 'table' then
    bad(1, 'rawget', 'table', t)
  end
  return rawget(real[t] or t, key)
end

local function next_shown(t, key)
  if type(t) ~= 'table' then
    bad(1, 'next', 'table', t)
  end
  return next(real[t] or t, key)
end

globals.next = next_shown

function globals.pairs(t)
  if real[t] then
    return next_shown, t, nil
  end
  if type(t) ~= 'table' then
    bad(1, 'pairs', 'table', t)
  end
  return next, t, nil
end

function table.insert(t, ...)
  if real[t] then
    readonly()
  end
  if type(t) ~= 'table' then
    bad(1, 'insert', 'table', t)
  end
  return insert(t, ...)
end

function globals.setmetatable(t, metatable)
  if real[t] then
    readonly()
  end
  if type(t) ~= 'table' then
    bad(1, 'setmetatable', 'table', t)
  end
  return setmetatable(t, metatable)
end

local metatables = { [sandbox] = view({ __index = native.missing }), [''] = nil }
local of_strings

function globals.getmetatable(value)
  if type(value) == 'string' then
    return of_strings
  end
  if real[value] then
    return metatables[value]
  end
  return getmetatable(value)
end

-- Environments. A function of this file, or one of the interpreter's, seems to have the environment that scripts have.

local function is_shared(environment)
  return rawequal(environment, globals) or rawequal(environment, own)
end

local function of_caller(f)
  if f == nil then
    f = 1
  end
  if type(f) == 'number' and f > 0 then
    f = f + 2
  end
  return f
end

function globals.getfenv(f)
  local environment = getfenv(of_caller(f))
  if is_shared(environment) then
    return sandbox
  end
  return environment
end

function globals.setfenv(f, environment)
  local place = of_caller(f)
  if place == 0 or is_shared(getfenv(place)) then
    readonly()
  end
  local changed = setfenv(place, environment)
  return changed
end

-- Sources: see engine.rs. None is parsed while a script runs in between, so the pieces are gathered first.

function globals.loadstring(source, name)
  if type(source) ~= 'string' then
    bad(1, 'loadstring', 'string', source)
  end
  return compile(source, name or source)
end

function globals.load(reader, name)
  if type(reader) ~= 'function' then
    bad(1, 'load', 'function', reader)
  end
  local pieces = {}
  while true do
    local ok, piece = settle(pcall(reader))
    if not ok then
      return nil, piece
    end
    if piece == nil or piece == '' then
      break
    end
    if type(piece) ~= 'string' then
      return nil, 'reader function must return a string'
    end
    pieces[#pieces + 1] = piece
  end
  return compile(concat(pieces), name or '=(load)')
end

-- Functions that could run for too long, or away with the machine's stack.

local MAX_SLOTS = 8000

function globals.unpack(t, ...)
  if type(t) ~= 'table' then
    bad(1, 'unpack', 'table', t)
  end
  local first, last = ...
  if first ~= nil and not tonumber(first) then
    bad(2, 'unpack', 'number', first)
  end
  if last ~= nil and not tonumber(last) then
    bad(3, 'unpack', 'number', last)
  end
  -- As the interpreter cuts them off.
  local from, to = floor(first or 1), floor(last or #t)
  -- Arguments and results share the interpreter's stack.
  local slots = 1 + select('#', ...) + to - from + 1
  if not (slots <= MAX_SLOTS and from >= -2 ^ 31 and to < 2 ^ 31) then
    fail('too many results to unpack')
  end
  return unpack(t, ...)
end

local rep = string.rep

function string.rep(s, ...)
  -- Nothing, however often.
  if s == '' then
    return s
  end
  return rep(s, ...)
end

local MAX_PATTERN = 10000

local function bounded(name)
  local search = string[name]
  string[name] = function(s, pattern, third, fourth)
    if type(pattern) == 'string' and #pattern > MAX_PATTERN and not (name == 'find' and fourth) then
      fail('pattern too complex')
    end
    return search(s, pattern, third, fourth)
  end
end

bounded('find')
bounded('match')
bounded('gmatch')
bounded('gsub')
string.gfind = string.gmatch

-- The collector serves all scripts of this state: none may stop it.
function globals.collectgarbage(option, argument)
  if option == nil or option == 'collect' or option == 'step' or option == 'count' then
    return collectgarbage(option, argument)
  end
  if option == 'stop' or option == 'restart' or option == 'setpause' or option == 'setstepmul' then
    return 0
  end
  bad(1, 'collectgarbage', 'invalid option', option)
end

-- What is not there.
for _, name in pairs({ 'dofile', 'loadfile', 'module', 'newproxy', 'package', 'print', 'require' }) do
  globals[name] = nil
end

globals._G = nil
for name, value in pairs(globals) do
  if type(value) == 'table' then
    globals[name] = deep_view(value)
  end
end
globals._G = sandbox
of_strings = view({ __index = globals.string })
setmetatable(globals, { __index = native.missing })

local explain = native.explain

return {
  sandbox = sandbox,
  -- Makes a table one that scripts cannot change.
  view = deep_view,
  run = function(f, keys, arguments)
    globals.KEYS, globals.ARGV = keys, arguments
    return xpcall(f, explain)
  end,
  run_with = function(f, keys, arguments)
    return xpcall(function()
      return f(keys, arguments)
    end, explain)
  end,
}
