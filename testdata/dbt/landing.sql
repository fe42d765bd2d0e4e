-- Tables that exist before dbt runs: what the source `landing` reads.
create schema if not exists landing;
create or replace table landing.payments (payment_id integer, order_id integer, method varchar, cents bigint, paid_at timestamp);
insert into landing.payments values
  (1, 101, 'card', 1050, '2024-01-01 10:00:00'),
  (2, 102, 'card', 1500, '2024-01-01 11:00:00'),
  (3, 102, 'coupon', 500, '2024-01-01 11:00:01'),
  (4, 103, 'transfer', 525, '2024-01-02 07:00:00'),
  (5, 105, 'card', 9999, '2024-01-02 12:00:00');
create or replace table landing."Odd Name" (id integer, "Mixed Case" varchar);
insert into landing."Odd Name" values (1, 'kept'), (2, 'as it is');
