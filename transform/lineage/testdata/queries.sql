select count(*), max(a), coalesce(max(a),1), -max(a), sum(a) filter (where a>1), count(distinct a), string_agg(c, ',' order by a) from t
-- count_star()
-- max(a) ~t.a
-- COALESCE(max(a), 1) ~t.a
-- -(max(a)) ~t.a
-- sum(a) FILTER (WHERE (a > 1)) ~t.a
-- count(DISTINCT a) ~t.a
-- string_agg(c, ',' ORDER BY a) ~t.a ~t.c

select * from t join u using (id)
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- a =u.a
-- k =u.k
-- x =u.x
-- by t.id: join
-- by u.id: join

select * from t left join u using (id)
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- a =u.a
-- k =u.k
-- x =u.x
-- by t.id: join
-- by u.id: join

select * from t right join u using (id)
-- id =u.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- a =u.a
-- k =u.k
-- x =u.x
-- by t.id: join
-- by u.id: join

select * from t full join u using (id)
-- id ~t.id ~u.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- a =u.a
-- k =u.k
-- x =u.x
-- by t.id: join
-- by u.id: join

select * from t natural join u
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- k =u.k
-- x =u.x
-- by t.a: join
-- by t.id: join
-- by u.a: join
-- by u.id: join

select t.* from t join u using (id)
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- by t.id: join
-- by u.id: join

select u.* from t join u using (id)
-- id =u.id
-- a =u.a
-- k =u.k
-- x =u.x
-- by t.id: join
-- by u.id: join

select * from t, u
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- id =u.id
-- a =u.a
-- k =u.k
-- x =u.x

select t.id, u.id from t, u
-- id =t.id
-- id =u.id

select * from (select * from t, u)
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- id_1 =u.id
-- a_1 =u.a
-- k =u.k
-- x =u.x

select id, id_1 from (select * from t, u)
-- id =t.id
-- id_1 =u.id

select x.id_1 from (select * from t, u) x
-- id_1 =u.id

with c as (select * from t,u) select * from c
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- id_1 =u.id
-- a_1 =u.a
-- k =u.k
-- x =u.x

select a as b, b as c from t
-- b =t.a
-- c =t.b

select a+1 as b, b*2 as z from t
-- b ~t.a
-- z ~t.b

select a+1 as q, q*2 as z from t
-- q ~t.a
-- z ~t.a

select "A b", ID from v
-- A b =v.A b
-- Id =v.Id

select a, A from t
-- a =t.a
-- a =t.a

select columns('^(a|b)$')+1 from t
-- a ~t.a
-- b ~t.b

select columns('^(a|b)$') as x from t
-- x =t.a
-- x =t.b

select columns('^(a)(|b)$') as 'x_\1' from t
-- x_a =t.a

select min(columns(['a','b'])) from t
-- a ~t.a
-- b ~t.b

select * exclude (a,b) replace (id+1 as id) rename (c as dd) from t
-- id ~t.id
-- dd =t.c
-- st =t.st
-- l =t.l

select * like 'i%' from t
-- id =t.id

select * replace (a::varchar as c) from t
-- id =t.id
-- a =t.a
-- b =t.b
-- c ~t.a
-- st =t.st
-- l =t.l

select 1, 'x', null, true, 1.5, date '2020-01-01' from t
-- 1
-- 'x'
-- NULL
-- CAST('t' AS BOOLEAN)
-- 1.5
-- CAST('2020-01-01' AS "DATE")

select t from t
-- t ~t.a ~t.b ~t.c ~t.id ~t.l ~t.st

select x.v from (select t as x from t) q, (select 1 as v) x
-- v

values (1,2)
-- col0
-- col1

select * from (values (1,2)) v(a,b)
-- a
-- b

select * from (values (1,2)) v(a)
-- a
-- col1

select a as x from t union all select x as y from u
-- x =t.a =u.x

select a as x from t union by name select x as y from u
-- x =t.a
-- y =u.x

select a as x, b as y from t union by name select id as y, x as z from u
-- x =t.a
-- y =t.b =u.id
-- z =u.x

select a from t except select x from u
-- a =t.a
-- by u.x: filter

with recursive r(n) as (select id from t union all select n+1 from r where n < 5) select * from r
-- n ~t.id
-- by t.id: filter

select unnest(l) from t
-- unnest(l) ~t.l

select unnest(l) as e from t
-- e ~t.l

select unnest(st) from t
-- f ~t.st
-- g ~t.st

select unnest(st, recursive := true) from t
-- f ~t.st
-- g ~t.st

select * from t, unnest(t.l)
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- unnest ~t.l

select * from t, unnest(t.l) as z(e)
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- e ~t.l

select * from t, unnest(t.l) as z
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- unnest ~t.l

select * from range(3)
-- range

select * from range(3) r
-- range

select * from generate_series(1,3) g(i)
-- i

select * from t semi join u using (id)
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- by t.id: join
-- by u.id: join

select * from t anti join u using (id)
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- by t.id: join
-- by u.id: join

select * from t positional join u
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- id =u.id
-- a =u.a
-- k =u.k
-- x =u.x

select * from t asof join u on t.id=u.id and t.a >= u.a
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- id =u.id
-- a =u.a
-- k =u.k
-- x =u.x
-- by t.a: join
-- by t.id: join
-- by u.a: join
-- by u.id: join

select * from t asof join u using (id, a)
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- k =u.k
-- x =u.x
-- by t.a: join
-- by t.id: join
-- by u.a: join
-- by u.id: join

select l.q, t.a from t, lateral (select t.a+u.k as q from u where u.id=t.id) l
-- q ~t.a ~u.k
-- a =t.a
-- by t.id: filter
-- by u.id: filter

select a, sum(b) from t group by all
-- a =t.a
-- sum(b) ~t.b
-- by t.a: group

select distinct on (a) a, b from t order by c
-- a =t.a
-- b =t.b
-- by t.a: group
-- by t.c: order

from t select a, b
-- a =t.a
-- b =t.b

from t
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l

select lower(c), c || 'x', upper(trim(c)), cast(c as int), try_cast(c as int), extract(year from date '2020-01-01') from t
-- lower(c) ~t.c
-- (c || 'x') ~t.c
-- upper(main."trim"(c)) ~t.c
-- CAST(c AS INTEGER) ~t.c
-- TRY_CAST(c AS INTEGER) ~t.c
-- main.date_part('year', CAST('2020-01-01' AS "DATE"))

select row_number() over (order by a), lag(a) over w, first_value(a) over (partition by b) from t window w as (order by b)
-- row_number() OVER (ORDER BY a) ~t.a
-- lag(a) OVER (ORDER BY b) ~t.a ~t.b
-- first_value(a) OVER (PARTITION BY b) ~t.a ~t.b

select {'a': a, 'b': b}, [a,b], map {'k': a}, interval 3 day, current_date, [x*2 for x in l] from t
-- main.struct_pack(a := a, b := b) ~t.a ~t.b
-- main.list_value(a, b) ~t.a ~t.b
-- main."map"(main.list_value('k'), main.list_value(a)) ~t.a
-- to_days(CAST(trunc(CAST(3 AS DOUBLE)) AS INTEGER))
-- current_date
-- main.list_apply(l, (lambda x: (x * 2))) ~t.l

select list_transform(l, x -> x+a), list_filter(l, lambda x: x>1) from t
-- list_transform(l, (x -> (x + a))) ~t.a ~t.l
-- list_filter(l, (lambda x: (x > 1))) ~t.l

select c collate nocase from t
-- c COLLATE nocase ~t.c

select #1, #2 from t
-- id =t.id
-- a =t.a

select coalesce(*columns(['a','b'])) from t
-- COALESCE(memory.main.t.a, memory.main.t.b) ~t.a ~t.b

select * from (pivot t on a in (1,2) using sum(b) group by id)
-- id =t.id
-- 1 ~t.a ~t.b
-- 2 ~t.a ~t.b
-- by t.id: group

select * from (unpivot t on a,b into name n value v)
-- id =t.id
-- c =t.c
-- st =t.st
-- l =t.l
-- n
-- v =t.a =t.b

select * from t as q(p1,p2)
-- p1 =t.id
-- p2 =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l

select q.p1, a from t as q(p1)
-- p1 =t.id
-- a =t.a

select t.id as id, * from t
-- id =t.id
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l

with t as (select 1 as only) select * from t
-- only

with c as (with t as (select 2 as inner_) select * from t) select *, t.a from c, t
-- inner_
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- a =t.a

select (select count(*) from u where u.id = t.id) n, (select k from u limit 1) from t
-- n
-- (SELECT k FROM u LIMIT 1) =u.k
-- by t.id: filter
-- by u.id: filter

select id from t where a = (select max(a) from u)
-- id =t.id
-- by t.a: filter
-- by u.a: filter

select a.b from (select {'b': 1} as a) t
-- b

select t.st.f from t
-- f ~t.st

select s.w.z from s.w
-- z =w.z

select w.z from s.w
-- z =w.z

select struct_extract(st,'f'), st.* from t
-- struct_extract(st, 'f') ~t.st
-- f ~t.st
-- g ~t.st

select avg(a)::decimal(10,2) as m, count(*)::int from t
-- m ~t.a
-- CAST(count_star() AS INTEGER)

select t.a, u.a from t join u on t.id=u.id
-- a =t.a
-- a =u.a
-- by t.id: join
-- by u.id: join

select t1.*, t2.a as a2 from t t1 join t t2 on t1.id = t2.a
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- a2 =t.a
-- by t.a: join
-- by t.id: join

select * from (select a, a from t)
-- a =t.a
-- a_1 =t.a

select * from (select a, a as b, a from t)
-- a =t.a
-- b =t.a
-- a_1 =t.a

select * from (select a, a_1, a from (select a, b as a_1 from t))
-- a =t.a
-- a_1 =t.b
-- a_2 =t.a

select grouping(a), a from t group by cube(a,b)
-- GROUPING(a) ~t.a
-- a =t.a
-- by t.a: group
-- by t.b: group

select if(a>1,b,c::int), ifnull(a,b), nullif(a,b), greatest(a,b) from t
-- CASE  WHEN ((a > 1)) THEN (b) ELSE CAST(c AS INTEGER) END ~t.a ~t.b ~t.c
-- COALESCE(a, b) ~t.a ~t.b
-- "nullif"(a, b) ~t.a ~t.b
-- greatest(a, b) ~t.a ~t.b

select date_trunc('month', now()), a // 2, a % 2, a ** 2, a and b, a or b, a = b, a <> b from t
-- date_trunc('month', now())
-- (a // 2) ~t.a
-- (a % 2) ~t.a
-- (a ** 2) ~t.a
-- (a AND b) ~t.a ~t.b
-- (a OR b) ~t.a ~t.b
-- (a = b) ~t.a ~t.b
-- (a != b) ~t.a ~t.b

select columns(*)::varchar from u
-- id ~u.id
-- a ~u.a
-- k ~u.k
-- x ~u.x

select columns(* exclude id) + columns(* exclude id) from u
-- a ~u.a
-- k ~u.k
-- x ~u.x

select columns(c -> c like 'a%') from u
-- a =u.a

select * from u natural join s.w
-- id =u.id
-- a =u.a
-- k =u.k
-- x =u.x
-- z =w.z
-- by u.id: join
-- by w.id: join

select a+1, a::int, a::varchar, sum(a) over () from t where b > 1
-- (a + 1) ~t.a
-- CAST(a AS INTEGER) ~t.a
-- CAST(a AS VARCHAR) ~t.a
-- sum(a) OVER () ~t.a
-- by t.b: filter

select a, sum(b) from t where c = 'x' group by 1 having max(id) > 3 order by 2
-- a =t.a
-- sum(b) ~t.b
-- by t.a: group
-- by t.b: order
-- by t.c: filter
-- by t.id: filter

select case when a > 1 then b else id end as q from t
-- q ~t.a ~t.b ~t.id

select count(*) filter (where a > 1) as n, string_agg(c, ',' order by b) as all_c from t
-- n ~t.a
-- all_c ~t.b ~t.c

select sum(a) over (partition by b order by id) as running from t
-- running ~t.a ~t.b ~t.id

select exists(select 1 from u where u.id = t.id) as has, a in (select x from u where k > 0) as found from t
-- has
-- found ~t.a ~u.x
-- by t.id: filter
-- by u.id: filter
-- by u.k: filter

select c->'$.y' as j, c->>'x' as k from t
-- j ~t.c
-- k ~t.c

with a1 as (select id, a as v from t), a2 as (select v + 1 as v2, id from a1) select a2.v2, a1.v from a2 join a1 using (id)
-- v2 ~t.a
-- v =t.a
-- by t.id: join

with x(p, q) as (select a, b from t) select q, p from x
-- q =t.b
-- p =t.a

with recursive walk as (select id, a as parent, c as label from t where b is null union all select t.id, t.a, walk.label || t.c from t join walk on t.a = walk.id) select id, label from walk
-- id =t.id
-- label ~t.c
-- by t.a: join
-- by t.b: filter
-- by t.id: join

select t.*, u.k from t left join u on t.id = u.id and t.a > u.a
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- k =u.k
-- by t.a: join
-- by t.id: join
-- by u.a: join
-- by u.id: join

select coalesce(t.c, 'none') as label from t full join u using (id)
-- label ~t.c
-- by t.id: join
-- by u.id: join

select id from t full join u using (id)
-- id ~t.id ~u.id
-- by t.id: join
-- by u.id: join

select id from t right join u using (id)
-- id =u.id
-- by t.id: join
-- by u.id: join

select distinct a, b from t limit 10
-- a =t.a
-- b =t.b

select * from (select a, count(*) as n from t group by a) q join (select k, max(x) as m from u group by k) r on q.a = r.k
-- a =t.a
-- n
-- k =u.k
-- m ~u.x
-- by t.a: group join
-- by u.k: group join

select z.*, "A b" from s.w as z, v
-- id =w.id
-- z =w.z
-- A b =v.A b

select a as id, id as a from t
-- id =t.a
-- a =t.id

select x.* from (select a, a from t) x
-- a =t.a
-- a_1 =t.a

select columns(t.*) from t join u using (id)
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- by t.id: join
-- by u.id: join

select columns(c -> c in ('a', 'b') or not starts_with(c, 'i')) from u
-- a =u.a
-- k =u.k
-- x =u.x

select list_filter(l, x -> x > b) as big, list_reduce(l, lambda x, y: x + y) as total from t
-- big ~t.b ~t.l
-- total ~t.l

select (select max(u.x) from u where u.k = t.a and u.a > (select min(z) from s.w where w.id = t.b)) as m from t
-- m ~u.x
-- by t.a: filter
-- by t.b: filter
-- by u.a: filter
-- by u.k: filter
-- by w.id: filter
-- by w.z: filter

select * from t where (a, b) in (select k, x from u)
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- by t.a: filter
-- by t.b: filter
-- by u.k: filter
-- by u.x: filter

select a from t union select k from u order by a limit 3
-- a =t.a =u.k
-- by t.a: order
-- by u.k: order

select a from t intersect select k from u where x > 0
-- a =t.a
-- by u.k: filter
-- by u.x: filter

from t select a, b where c = 'x'
-- a =t.a
-- b =t.b
-- by t.c: filter

from u
-- id =u.id
-- a =u.a
-- k =u.k
-- x =u.x

summarize u
-- column_name ?the columns of show_ref are not known
-- column_type ?the columns of show_ref are not known
-- min ?the columns of show_ref are not known
-- max ?the columns of show_ref are not known
-- approx_unique ?the columns of show_ref are not known
-- avg ?the columns of show_ref are not known
-- std ?the columns of show_ref are not known
-- q25 ?the columns of show_ref are not known
-- q50 ?the columns of show_ref are not known
-- q75 ?the columns of show_ref are not known
-- count ?the columns of show_ref are not known
-- null_percentage ?the columns of show_ref are not known

select * from (unpivot u on a, k into name n value v)
-- id =u.id
-- x =u.x
-- n
-- v =u.a =u.k

select * from (unpivot u on columns(* exclude id) into name n value v)
-- id =u.id
-- n
-- v =u.a =u.k =u.x

select * from u pivot (sum(x) for k in (1, 2))
-- id =u.id
-- a =u.a
-- 1 ~u.k ~u.x
-- 2 ~u.k ~u.x
-- by u.a: group
-- by u.id: group

select * from u pivot (sum(x) as total, max(a) as top for k in (1, 2) group by id)
-- id =u.id
-- 1_total ~u.a ~u.k ~u.x
-- 1_top ~u.a ~u.k ~u.x
-- 2_total ~u.a ~u.k ~u.x
-- 2_top ~u.a ~u.k ~u.x
-- by u.id: group

select n.q from (select {'q': a, 'r': b} as n from t)
-- q ~t.a ~t.b

select t.st.f as f, st.g + 1 as g1 from t
-- f ~t.st
-- g1 ~t.st

select sum(a) as a from t having a > 3
-- a ~t.a
-- by t.a: filter

select a as grp, count(*) from t group by grp
-- grp =t.a
-- count_star()
-- by t.a: group

select a + b as total, total * 2 as twice, total > 3 as big from t where total > 1 order by twice
-- total ~t.a ~t.b
-- twice ~t.a ~t.b
-- big ~t.a ~t.b
-- by t.a: filter order
-- by t.b: filter order

select * from (values (1, 'x'), (2, 'y')) as v(n, label) join t on t.id = v.n
-- n
-- label
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- by t.id: join

select r.range, t.a from t, range(t.a) as r(range)
-- range ~t.a
-- a =t.a

select e, ordinality from t, unnest(l) with ordinality as z(e)
-- e ~t.l
-- ordinality

select t.a, lag(t.b, 1) over win as prev from t window win as (partition by t.c order by t.id)
-- a =t.a
-- prev ~t.b ~t.c ~t.id

select arg_max(c, b) as latest from t group by a
-- latest ~t.b ~t.c
-- by t.a: group

select a.id from t a semi join u b on a.id = b.id and b.x > 0
-- id =t.id
-- by t.id: join
-- by u.id: join
-- by u.x: join

select first(c order by b desc) as newest from t
-- newest ~t.b ~t.c

select max(a) as a, max(b) as b from t where a > 0
-- a ~t.a
-- b ~t.b
-- by t.a: filter

select grouping(a) as g, a, b, count(*) from t group by grouping sets ((a), (b))
-- g ~t.a
-- a =t.a
-- b =t.b
-- count_star()
-- by t.a: group
-- by t.b: group

select "count_star()" from (select count(*) from t)
-- count_star() ?count_star() seems to be a column that is named after its expression: give that an alias

select * from (select count(*), max(a) from t)
-- count_star()
-- max(a) ~t.a

select id, amount from o
-- id =o.id
-- amount =o.amount

select o.id as x, t.a from o join t on o.t_id = t.id
-- x =o.id
-- a =t.a
-- by o.t_id: join
-- by t.id: join

select id, o.x from o, p
-- id ?column id may be one of several tables whose columns are not known: o, p
-- x =o.x

select * from o
-- unresolved: the columns of o are not known

with source as (select * from o), renamed as (select id as customer_id, lower(name) as name, source.*  from source) select customer_id, name from renamed
-- customer_id =o.id
-- name ~o.name

with source as (select * exclude (secret) rename (old as new) from o) select new, other, secret from source
-- new =o.old
-- other =o.other
-- secret ?no table has a column secret

select a + 1 as q, q * 2 as z from o
-- q ~o.a
-- z ?q may be a column of a table whose columns are not known, or the alias

select k from o where exists (select 1 from u where k = 1)
-- k =o.k
-- by u.k: filter

select m, (select max(k) from u where u.id = m) as n from o
-- m =o.m
-- n ~u.k
-- by o.m: filter
-- by u.id: filter

select (select max(y) from p where p.id = o.id) as n from o
-- n ~p.y
-- by o.id: filter
-- by p.id: filter

select x from nowhere
-- x =nowhere.x
-- unresolved: no table nowhere is known

select * from o union all select * from p
-- unresolved: the columns of o are not known; the columns of p are not known; the columns of a UNION cannot be told apart where their number is not known

select id from o union all select id from p
-- id =o.id =p.id

select id from o join p using (id)
-- id =o.id
-- by o.id: join
-- by p.id: join

select a.* , b.v from o a natural join (select id, a as v from t) b
-- v =t.a
-- unresolved: the columns of o are not known
-- unresolved: what a NATURAL JOIN is by is not known where the columns of a table are not

select distinct on (c) * from t order by c, id desc
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- by t.c: group order
-- by t.id: order

select * exclude (id) from t join u using (id)
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- a =u.a
-- k =u.k
-- x =u.x
-- by t.id: join
-- by u.id: join

select * replace (t.a + u.a as a) from t join u using (id)
-- id =t.id
-- a ~t.a ~u.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- k =u.k
-- x =u.x
-- by t.id: join
-- by u.id: join

select * exclude (u.a) from t join u using (id)
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- k =u.k
-- x =u.x
-- by t.id: join
-- by u.id: join

select t as whole from t
-- whole ~t.a ~t.b ~t.c ~t.id ~t.l ~t.st

select count(distinct a) from t
-- count(DISTINCT a) ~t.a

select if(a > 1, c, 'none') as label, greatest(a, b) as most from t
-- label ~t.a ~t.c
-- most ~t.a ~t.b

select a, rank() over (partition by b order by a) as r from t qualify r = 1
-- a =t.a
-- r ~t.a ~t.b
-- by t.a: filter
-- by t.b: filter

select * from (select *, row_number() over (partition by a order by id) as rn from t) where rn = 1
-- id =t.id
-- a =t.a
-- b =t.b
-- c =t.c
-- st =t.st
-- l =t.l
-- rn ~t.a ~t.id
-- by t.a: filter
-- by t.id: filter

with t as (select id, a as z from t) select z from t
-- z =t.a

with recursive a as (with recursive b as (select 1 as n union all select n + 1 from b where n < 3) select n from b union all select n + 1 from a where n < 5) select n from a
-- n

select columns('^(i|k)') * 10 as 'x_\1' from u
-- x_i ~u.id
-- x_k ~u.k

select unnest([a, b]) as e, id from t
-- e ~t.a ~t.b
-- id =t.id

select struct_pack(x := a, y := b) as s from t
-- s ~t.a ~t.b

select any_value(columns(* exclude (id))) from u group by id
-- a ~u.a
-- k ~u.k
-- x ~u.x
-- by u.id: group

select date_diff('day', current_date, date '2024-01-01') as d, now() as n from t
-- d
-- n

select a as "Group", b as "order" from t order by "Group"
-- Group =t.a
-- order =t.b
-- by t.a: order

select max(x) as m from u group by k having m > 3 order by all
-- m ~u.x
-- by u.k: group
-- by u.x: filter order

select a, sum(b) as s from t group by all having sum(b) > 1 order by s
-- a =t.a
-- s ~t.b
-- by t.a: group
-- by t.b: filter order

select coalesce(amount, 0) as amount, b as c from o where amount > 0 and c = 1
-- amount ~o.amount
-- c =o.b
-- by o.amount: filter
-- unresolved: c may be a column of a table whose columns are not known, or the alias
