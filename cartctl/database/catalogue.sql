-- Every object of the user's own schemas, one row each: what it is, its name, and its facts.
-- Names are qualified (the caller empties search_path), nothing depends on object ids or on the order of creation.
WITH space AS (
    SELECT oid, nspname, nspowner, nspacl
    FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'cartctl_journal')
),
extended AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
relation AS (
    SELECT c.*, format('%I.%I', s.nspname, c.relname) AS name
    FROM pg_class c JOIN space s ON s.oid = c.relnamespace
    WHERE (c.tableoid, c.oid) NOT IN (SELECT classid, objid FROM extended)
),
kind AS (
    SELECT t.*, format('%I.%I', s.nspname, t.typname) AS name
    FROM pg_type t JOIN space s ON s.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'r') AND (t.tableoid, t.oid) NOT IN (SELECT classid, objid FROM extended)
),
routine AS (
    SELECT p.*, s.nspname FROM pg_proc p JOIN space s ON s.oid = p.pronamespace
),
granted AS (
    SELECT owned.classid, owned.objid, jsonb_agg(told ORDER BY told COLLATE "C") AS grants
    FROM (
        SELECT 'pg_class'::regclass AS classid, oid AS objid, relowner AS owner,
               coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl
        FROM relation WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
        UNION ALL
        SELECT 'pg_type'::regclass, oid, typowner, coalesce(typacl, acldefault('T', typowner)) FROM kind
        UNION ALL
        SELECT 'pg_namespace'::regclass, oid, nspowner, coalesce(nspacl, acldefault('n', nspowner)) FROM space
        UNION ALL
        SELECT 'pg_proc'::regclass, oid, proowner, coalesce(proacl, acldefault('f', proowner)) FROM routine
    ) AS owned
    CROSS JOIN LATERAL aclexplode(owned.acl) AS entry
    CROSS JOIN LATERAL (
        SELECT format('%s %s%s',
            CASE entry.grantee WHEN 0 THEN 'PUBLIC' ELSE entry.grantee::regrole::text END,
            entry.privilege_type, CASE WHEN entry.is_grantable THEN ' *' ELSE '' END) AS told
    ) AS line
    WHERE entry.grantee <> owned.owner
    GROUP BY owned.classid, owned.objid
)
SELECT 'schema' AS kind, format('%I', s.nspname) AS name, jsonb_build_object(
        'owner', s.nspowner::regrole::text, 'grants', g.grants) AS facts
FROM space s LEFT JOIN granted g ON g.classid = 'pg_namespace'::regclass AND g.objid = s.oid
UNION ALL
SELECT 'extension', format('%I', e.extname), jsonb_build_object(
        'version', e.extversion, 'schema', n.nspname)
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
UNION ALL
SELECT 'table', r.name, jsonb_build_object(
        'kind', r.relkind::text, 'owner', r.relowner::regrole::text, 'grants', g.grants,
        'persistence', r.relpersistence::text, 'row_security', r.relrowsecurity, 'forced', r.relforcerowsecurity,
        'options', r.reloptions, 'partition_key', pg_get_partkeydef(r.oid),
        'partition_bound', pg_get_expr(r.relpartbound, r.oid),
        'parents', (SELECT jsonb_agg(inhparent::regclass::text ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = r.oid))
FROM relation r LEFT JOIN granted g ON g.classid = 'pg_class'::regclass AND g.objid = r.oid
WHERE r.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'column', format('%s.%I', r.name, a.attname), jsonb_build_object(
        'type', format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
        'default', pg_get_expr(d.adbin, d.adrelid), 'generated', a.attgenerated::text, 'identity', a.attidentity::text,
        'collation', CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
        'grants', (SELECT jsonb_agg(told ORDER BY told COLLATE "C") FROM (
            SELECT format('%s %s', CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, privilege_type) AS told
            FROM aclexplode(a.attacl)) AS entry))
FROM relation r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'f', 'c')
UNION ALL
SELECT 'index', r.name, jsonb_build_object(
        'table', t.name, 'unique', i.indisunique, 'primary', i.indisprimary,
        'valid', i.indisvalid, 'ready', i.indisready, 'definition', pg_get_indexdef(i.indexrelid),
        'predicate', pg_get_expr(i.indpred, i.indrelid),
        'columns', (SELECT jsonb_agg(coalesce(a.attname::text, pg_get_indexdef(i.indexrelid, k.place::int, true)) ORDER BY k.place)
            FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
            LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number AND k.number > 0
            WHERE k.place <= i.indnkeyatts))
FROM relation r JOIN pg_index i ON i.indexrelid = r.oid JOIN relation t ON t.oid = i.indrelid
UNION ALL
SELECT 'constraint', format('%s.%I', coalesce(r.name, k.name), c.conname), jsonb_build_object(
        'table', r.name, 'type', c.contype::text, 'definition', pg_get_constraintdef(c.oid), 'validated', c.convalidated,
        'deferrable', c.condeferrable, 'deferred', c.condeferred,
        'columns', (SELECT jsonb_agg(a.attname ORDER BY u.place) FROM unnest(c.conkey) WITH ORDINALITY AS u (number, place)
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = u.number),
        'references', nullif(c.confrelid, 0)::regclass::text,
        'referenced', (SELECT jsonb_agg(a.attname ORDER BY u.place) FROM unnest(c.confkey) WITH ORDINALITY AS u (number, place)
            JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = u.number),
        'on_delete', nullif(c.confdeltype::text, ' '), 'on_update', nullif(c.confupdtype::text, ' '))
FROM pg_constraint c LEFT JOIN relation r ON r.oid = c.conrelid LEFT JOIN kind k ON k.oid = c.contypid
WHERE c.contype <> 'n' AND (r.oid IS NOT NULL OR k.oid IS NOT NULL)
UNION ALL
SELECT CASE k.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'range' END, k.name, jsonb_build_object(
        'owner', k.typowner::regrole::text, 'grants', g.grants,
        'labels', (SELECT jsonb_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = k.oid),
        'base', CASE k.typtype WHEN 'd' THEN format_type(k.typbasetype, k.typtypmod) END,
        'not_null', k.typnotnull, 'default', k.typdefault)
FROM kind k LEFT JOIN granted g ON g.classid = 'pg_type'::regclass AND g.objid = k.oid
UNION ALL
SELECT 'sequence', r.name, jsonb_build_object(
        'owner', r.relowner::regrole::text, 'grants', g.grants, 'type', format_type(q.seqtypid, NULL), 'start', q.seqstart,
        'increment', q.seqincrement, 'minimum', q.seqmin, 'maximum', q.seqmax, 'cache', q.seqcache, 'cycle', q.seqcycle)
FROM relation r JOIN pg_sequence q ON q.seqrelid = r.oid
LEFT JOIN granted g ON g.classid = 'pg_class'::regclass AND g.objid = r.oid
UNION ALL
SELECT CASE r.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END, r.name, jsonb_build_object(
        'owner', r.relowner::regrole::text, 'grants', g.grants, 'options', r.reloptions, 'definition', pg_get_viewdef(r.oid))
FROM relation r LEFT JOIN granted g ON g.classid = 'pg_class'::regclass AND g.objid = r.oid
WHERE r.relkind IN ('v', 'm')
UNION ALL
SELECT 'function', format('%I.%I(%s)', p.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), jsonb_build_object(
        'owner', p.proowner::regrole::text, 'grants', g.grants, 'kind', p.prokind::text,
        'definition', CASE WHEN p.prokind IN ('f', 'p', 'w') THEN pg_get_functiondef(p.oid) END)
FROM routine p LEFT JOIN granted g ON g.classid = 'pg_proc'::regclass AND g.objid = p.oid
WHERE ('pg_proc'::regclass, p.oid) NOT IN (SELECT classid, objid FROM extended)
UNION ALL
SELECT 'trigger', format('%s.%I', r.name, t.tgname), jsonb_build_object(
        'enabled', t.tgenabled::text, 'definition', pg_get_triggerdef(t.oid))
FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL
SELECT 'policy', format('%s.%I', r.name, p.polname), jsonb_build_object(
        'command', p.polcmd::text, 'permissive', p.polpermissive,
        'roles', (SELECT jsonb_agg(CASE o WHEN 0 THEN 'PUBLIC' ELSE o::regrole::text END) FROM unnest(p.polroles) AS o),
        'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_policy p JOIN relation r ON r.oid = p.polrelid
UNION ALL
SELECT 'rule', format('%s.%I', r.name, w.rulename), jsonb_build_object(
        'enabled', w.ev_enabled::text, 'definition', pg_get_ruledef(w.oid))
FROM pg_rewrite w JOIN relation r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT 'statistics', format('%I.%I', s.nspname, x.stxname), jsonb_build_object('definition', pg_get_statisticsobjdef(x.oid))
FROM pg_statistic_ext x JOIN space s ON s.oid = x.stxnamespace
