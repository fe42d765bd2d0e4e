package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// canary is the value of a secret in the environment of every run. It must never stand in a file or an output.
const canary = "canary-7f3a9b-must-never-be-written"

// projectFiles are the generated project: two pipelines that publish to one target, a stream of each mode, a model
// of each materialization, and in every table a column that tells the night that its newest row is of.
var projectFiles = map[string]string{
	"millrace.yml": `name: faults
target: local
targets:
  local: { type: local, path: warehouse, retention: { versions: 2, for: 1s } }
sources:
  shop:
    type: files
    streams:
      - name: customers
        path: inbox/customers.csv
        mode: full
        key: [id]
        max_rejects: 50%
        columns: { id: BIGINT, name: VARCHAR, city: VARCHAR, night: INTEGER }
        checks: [ { expression: { expression: city <> 'city 3', severity: quarantine, error_if: ">90%" } } ]
      - name: events
        path: "inbox/events_*.csv"
        mode: append
        max_rejects: 50%
        columns: { id: BIGINT, kind: VARCHAR, customer_id: BIGINT, night: INTEGER }
      - name: orders
        path: "inbox/orders_*.csv"
        mode: incremental
        key: [order_id]
        cursor: updated_at
        max_rejects: 50%
        columns: { order_id: BIGINT, customer_id: BIGINT, amount: "DECIMAL(12,2)", updated_at: TIMESTAMP, night: INTEGER }
        checks:
          - range: { column: amount, max: 930, severity: quarantine, error_if: ">90%" }
          - unique: { column: updated_at, severity: quarantine, error_if: ">90%" }
          - relationships: { column: customer_id, to: "source('shop', 'customers')", field: id, severity: warn }
  web:
    type: files
    streams:
      - name: clicks
        path: "inbox/clicks_*.csv"
        mode: append
        max_rejects: 50%
        columns: { id: BIGINT, page: VARCHAR, night: INTEGER }
        checks: [ { rejected_values: { column: page, values: [/p3, /p4], severity: quarantine, error_if: ">90%" } } ]
pipelines:
  sales: { select: ["source:shop", "path:models/sales"], publish: all }
  web: { select: ["source:web", "path:models/web"], publish: succeeded }
`,
	"models/sales/order_facts.sql": `{{ config(materialized='incremental', unique_key='order_id', incremental_strategy='merge', schema='marts') }}
select order_id, customer_id, amount, updated_at, night
from {{ source('shop', 'orders') }}
{% if is_incremental() %}
where updated_at >= (select max(updated_at) from {{ this }})
{% endif %}
`,
	"models/sales/customer_orders.sql": `{{ config(materialized='table', schema='marts') }}
select c.id, c.name, count(o.order_id) as orders, coalesce(sum(o.amount), 0)::decimal(14, 2) as amount, max(c.night) as night
from {{ source('shop', 'customers') }} as c
left join {{ ref('order_facts') }} as o on o.customer_id = c.id
group by c.id, c.name
`,
	"models/sales/big_orders.sql": `{{ config(materialized='view', schema='marts') }}
select * from {{ ref('order_facts') }} where amount > 500
`,
	"models/sales/checks.yml": `version: 2
models:
  - name: customer_orders
    columns: [ { name: amount, data_tests: [ not_null ] } ]
    checks:
      - expression: { expression: orders <> 2, severity: quarantine, error_if: ">90%" }
      - unique: { column: id, severity: quarantine }
`,
	"models/web/clicks_by_page.sql": `{{ config(materialized='table', schema='marts') }}
select page, count(*) as clicks, max(night) as night
from {{ source('web', 'clicks') }}
group by page
`,
}

// writeProject makes an empty project in dir.
func writeProject(dir string) error {
	for name, text := range projectFiles {
		if err := put(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(dir, "inbox"), 0o755)
}

// put writes a file whole, by rename.
func put(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".part", []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

// deliver puts the files of night n (from 1) into the inbox. The same seed and night give the same bytes. A few rows
// are broken, so that there are rejects to be counted.
func deliver(dir string, seed uint64, n int) error {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	inbox := filepath.Join(dir, "inbox")
	var errs []error
	file := func(name, header string, rows int, row func(i int) string, dirty ...string) {
		lines := []string{header}
		for i := range rows {
			lines = append(lines, row(i))
		}
		errs = append(errs, put(filepath.Join(inbox, name), strings.Join(append(lines, dirty...), "\n")+"\n"))
	}
	file("customers.csv", "id,name,city,night", 30+n, func(i int) string {
		return fmt.Sprintf("%d,customer %d,city %d,%d", i+1, i+1, r.IntN(9), n)
	}, fmt.Sprintf("none,broken,city,%d", n))
	for part := range 2 {
		file(fmt.Sprintf("events_%04d_%d.csv", n, part), "id,kind,customer_id,night", 12+r.IntN(8), func(i int) string {
			return fmt.Sprintf("%d,%s,%d,%d", n*1000+part*100+i, []string{"view", "cart", "buy"}[r.IntN(3)], 1+r.IntN(30), n)
		}, fmt.Sprintf("%d,view,nobody,%d", n*1000+part*100+99, n))
	}
	file(fmt.Sprintf("orders_%04d.csv", n), "order_id,customer_id,amount,updated_at,night", 25, func(i int) string {
		id := n*15 + i - 10 // ten orders of the night before change, fifteen are new
		return fmt.Sprintf("%d,%d,%d.%02d,2026-01-%02d %02d:%02d:%02d,%d", id, 1+r.IntN(30), r.IntN(1000), r.IntN(100), 1+(n-1)%28, n/28, i, r.IntN(60), n)
	}, fmt.Sprintf("%d,1,much,2026-01-01 00:00:00,%d", n*15+99, n))
	file(fmt.Sprintf("clicks_%04d.csv", n), "id,page,night", 20, func(i int) string {
		return fmt.Sprintf("%d,/p%d,%d", n*1000+i, r.IntN(8), n)
	}, fmt.Sprintf("many,/p1,%d", n))
	return errors.Join(errs...)
}

// copyTree copies a folder with its symlinks, times and hard links.
func copyTree(from, to string) error {
	linked := map[uint64]string{}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		dest := filepath.Join(to, rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(dest, info.Mode().Perm())
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, dest)
		}
		st := info.Sys().(*syscall.Stat_t)
		if first, ok := linked[st.Ino]; ok && st.Nlink > 1 {
			err := os.Link(first, dest)
			if !errors.Is(err, syscall.EXDEV) { // a folder of it may be a disk of its own
				return err
			}
		}
		linked[st.Ino] = dest
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(dest, data, info.Mode().Perm()); err != nil {
			return err
		}
		return os.Chtimes(dest, info.ModTime(), info.ModTime())
	})
}

// findCanary looks for the secret in every file below dir.
func findCanary(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err == nil && bytes.Contains(data, []byte(canary)) {
			return violation("the secret canary stands in %s", path)
		}
		return nil
	})
}
