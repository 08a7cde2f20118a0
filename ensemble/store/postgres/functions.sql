-- What the SQL of the log uses and PostgreSQL lacks under that name. They live in the log's own schema; equal names of
-- PostgreSQL's own take other types. NULL counts as SQLite has it.
CREATE FUNCTION max(bigint, bigint) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT greatest($1, $2)';
CREATE FUNCTION max(double precision, double precision) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT greatest($1, $2)';
CREATE FUNCTION max(text, text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT greatest($1, $2)';
CREATE FUNCTION min(bigint, bigint) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT least($1, $2)';
CREATE FUNCTION min(double precision, double precision) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT least($1, $2)';
CREATE FUNCTION min(text, text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT least($1, $2)';
CREATE FUNCTION instr(text, text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT strpos($1, $2)';
CREATE FUNCTION ifnull(anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT coalesce($1, $2)';
CREATE FUNCTION round(double precision, integer) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT round($1::numeric, $2)::double precision';

CREATE FUNCTION _plus(double precision, double precision) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT $1 + coalesce($2, 0)';
CREATE AGGREGATE total(double precision) (SFUNC = _plus, STYPE = double precision, INITCOND = '0', PARALLEL = SAFE);
CREATE FUNCTION _count(bigint, boolean) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    'SELECT CASE WHEN $2 IS NULL THEN $1 ELSE coalesce($1, 0) + $2::integer END';
CREATE AGGREGATE sum(boolean) (SFUNC = _count, STYPE = bigint, PARALLEL = SAFE);
CREATE FUNCTION _most(boolean, boolean) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    'SELECT CASE WHEN $1 IS NULL THEN $2 WHEN $2 IS NULL THEN $1 ELSE $1 OR $2 END';
CREATE AGGREGATE max(boolean) (SFUNC = _most, STYPE = boolean, PARALLEL = SAFE);
CREATE FUNCTION _least(boolean, boolean) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    'SELECT CASE WHEN $1 IS NULL THEN $2 WHEN $2 IS NULL THEN $1 ELSE $1 AND $2 END';
CREATE AGGREGATE min(boolean) (SFUNC = _least, STYPE = boolean, PARALLEL = SAFE);

-- JSON as SQLite writes it: no blanks, and a float keeps its point.
CREATE FUNCTION _told(anyelement) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT coalesce(to_json($1)::text, 'null')$$;
CREATE FUNCTION _told(double precision) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT CASE WHEN $1 IS NULL THEN 'null' WHEN $1 = trunc($1) AND abs($1) < 1e15 THEN trunc($1)::numeric::text || '.0' ELSE $1::text END$$;
CREATE FUNCTION _listed(text, anyelement) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT CASE WHEN $1 = '' THEN _told($2) ELSE $1 || ',' || _told($2) END$$;
CREATE FUNCTION _listed(text, double precision) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT CASE WHEN $1 = '' THEN _told($2) ELSE $1 || ',' || _told($2) END$$;
CREATE FUNCTION _listed(text, numeric) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT CASE WHEN $1 = '' THEN '' ELSE $1 || ',' END || coalesce($2::text, 'null')$$;
CREATE FUNCTION _listed(text, bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT CASE WHEN $1 = '' THEN '' ELSE $1 || ',' END || coalesce($2::text, 'null')$$;
CREATE FUNCTION _list(text) RETURNS json LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$SELECT ('[' || $1 || ']')::json$$;
CREATE AGGREGATE json_group_array(anyelement) (SFUNC = _listed, STYPE = text, FINALFUNC = _list, INITCOND = '');
CREATE AGGREGATE json_group_array(double precision) (SFUNC = _listed, STYPE = text, FINALFUNC = _list, INITCOND = '');
CREATE FUNCTION _entered(text, text, anyelement) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT CASE WHEN $1 = '' THEN '' ELSE $1 || ',' END || to_json($2)::text || ':' || _told($3)$$;
CREATE FUNCTION _entered(text, text, double precision) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT CASE WHEN $1 = '' THEN '' ELSE $1 || ',' END || to_json($2)::text || ':' || _told($3)$$;
CREATE FUNCTION _entered(text, text, numeric) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT CASE WHEN $1 = '' THEN '' ELSE $1 || ',' END || to_json($2)::text || ':' || coalesce($3::text, 'null')$$;
CREATE FUNCTION _entered(text, text, bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$SELECT CASE WHEN $1 = '' THEN '' ELSE $1 || ',' END || to_json($2)::text || ':' || coalesce($3::text, 'null')$$;
CREATE FUNCTION _object(text) RETURNS json LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$SELECT ('{' || $1 || '}')::json$$;
CREATE AGGREGATE json_group_object(text, anyelement) (SFUNC = _entered, STYPE = text, FINALFUNC = _object, INITCOND = '');
CREATE AGGREGATE json_group_object(text, double precision) (SFUNC = _entered, STYPE = text, FINALFUNC = _object, INITCOND = '');
-- Whole numbers stay whole: sums of them are numeric, and would be taken for floats.
CREATE AGGREGATE json_group_array(bigint) (SFUNC = _listed, STYPE = text, FINALFUNC = _list, INITCOND = '');
CREATE AGGREGATE json_group_array(numeric) (SFUNC = _listed, STYPE = text, FINALFUNC = _list, INITCOND = '');
CREATE AGGREGATE json_group_object(text, bigint) (SFUNC = _entered, STYPE = text, FINALFUNC = _object, INITCOND = '');
CREATE AGGREGATE json_group_object(text, numeric) (SFUNC = _entered, STYPE = text, FINALFUNC = _object, INITCOND = '');
-- The members of an object, or the elements of an array with their places, as texts.
CREATE FUNCTION json_each(text) RETURNS TABLE (key text, value text) LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE ROWS 20 AS $$
    SELECT e.key, e.value #>> '{}' FROM pg_catalog.json_each(CASE json_typeof($1::json) WHEN 'object' THEN $1::json ELSE '{}' END) e
    UNION ALL
    SELECT (e.at - 1)::text, e.value #>> '{}'
    FROM json_array_elements(CASE json_typeof($1::json) WHEN 'array' THEN $1::json ELSE '[]' END) WITH ORDINALITY e (value, at)
$$;
CREATE FUNCTION json_extract(text, text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    $$SELECT $1::json #>> string_to_array(replace(trim(LEADING '$.' FROM $2), '"', ''), '.')$$;
CREATE FUNCTION json_array_length(text) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    'SELECT pg_catalog.json_array_length($1::json)::bigint';
