-- The shop's database as the first night finds it: 3,000 customers, 20,000 orders with 40,000 items, 18,000 payments.
CREATE TYPE order_status AS ENUM ('new', 'paid', 'shipped', 'returned');

CREATE TABLE customers (
  id         integer PRIMARY KEY,
  email      text NOT NULL UNIQUE,
  name       text NOT NULL,
  address    jsonb,
  segments   text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL
);
CREATE TABLE orders (
  id          bigint PRIMARY KEY,
  customer_id integer NOT NULL REFERENCES customers,
  status      order_status NOT NULL,
  amount      numeric(12,2) NOT NULL,
  updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON orders (updated_at, id);
CREATE TABLE order_items (
  order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
  line     smallint NOT NULL,
  sku      text NOT NULL,
  quantity integer NOT NULL,
  price    numeric(10,2) NOT NULL,
  PRIMARY KEY (order_id, line)
);
CREATE TABLE payments (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id bigint NOT NULL,
  amount   numeric(12,2) NOT NULL,
  paid_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE orders IS 'One row an order, in its present state.';

INSERT INTO customers
SELECT i, 'c' || i || '@example.com', 'Customer ' || i,
  CASE WHEN i % 10 > 0 THEN jsonb_build_object('city', (ARRAY['Berlin', 'Köln', 'München', 'Łódź'])[1 + i % 4], 'zip', lpad((i * 7 % 99999)::text, 5, '0')) END,
  CASE WHEN i % 3 = 0 THEN '{newsletter}' WHEN i % 7 = 0 THEN '{newsletter,vip}' ELSE '{}' END::text[],
  '2024-01-01'::timestamptz + i * interval '3 hours'
FROM generate_series(1, 3000) AS i;

INSERT INTO orders
SELECT i, 1 + i * 7919 % 3000, (ARRAY['new', 'paid', 'shipped', 'returned'])[1 + i % 4]::order_status, (i * 37 % 50000) / 100.0,
  '2025-01-01'::timestamptz + i * interval '20 minutes'
FROM generate_series(1, 20000) AS i;

INSERT INTO order_items
SELECT i, line, 'SKU-' || (i * line * 31 % 400), 1 + i % 3, (i * 37 % 50000) / 200.0
FROM generate_series(1, 20000) AS i, generate_series(1, 2) AS line;

INSERT INTO payments (order_id, amount, paid_at)
SELECT i, (i * 37 % 50000) / 100.0, '2025-01-01'::timestamptz + i * interval '20 minutes' + interval '5 minutes'
FROM generate_series(1, 18000) AS i;

-- The user that Millrace reads as: it may read, and see when others' transactions began (that is what makes cursors safe).
CREATE ROLE reader LOGIN PASSWORD :'reader_password';
GRANT pg_monitor TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
ANALYZE;
