package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// This file is about projects of dbt: a folder of its own with a seed, a snapshot, incremental models, a model that reads files by itself, one
// whose table its post-hook changes, one that exports a file, and a unit test. Nothing in it depends on the clock, so what two runs make is
// compared row by row.

const (
	dbtBase   = -2 // stands for: the first night of the project of dbt
	dbtExport = "out/totals.csv"
)

var dbtFiles = map[string]string{
	"dbt_project.yml": "name: faults\nmodels: { faults: { +materialized: table } }\n",
	"models/orders.sql": `{{ config(materialized='incremental') }}
select * from read_csv('data/orders_*.csv')
{% if is_incremental() %} where night > (select max(night) from {{ this }}) {% endif %}
`,
	"models/last_order.sql": `{{ config(materialized='incremental', unique_key='person', incremental_strategy='merge') }}
select person, max(id) as id, max(night) as night from {{ ref('orders') }}
{% if is_incremental() %} where night >= (select max(night) from {{ this }}) {% endif %}
group by person
`,
	"models/raised.sql": `{{ config(post_hook="update {{ this }} set amount = amount + 1 where person % 2 = 0") }}
select person, sum(amount) as amount, max(night) as night from {{ ref('orders') }} group by person
`,
	"models/totals.sql": `{{ config(materialized='external', location='` + dbtExport + `') }}
select p.name, r.amount, max(r.night) over () as night from {{ ref('raised') }} r join {{ ref('people') }} p on p.id = r.person order by p.id
`,
	"models/large.sql": "{{ config(materialized='view') }} select * from {{ ref('orders') }} where amount > 50\n",
	"snapshots/people_history.sql": `{% snapshot people_history %}
{{ config(unique_key='id', strategy='timestamp', updated_at='updated_at') }} select * from {{ ref('people') }}
{% endsnapshot %}
`,
	"models/models.yml": `models:
  - { name: orders, columns: [ { name: id, data_tests: [ not_null, unique ] } ] }
  - { name: raised, columns: [ { name: person, data_tests: [ unique, { relationships: { to: ref('people'), field: id, severity: warn } } ] } ] }
unit_tests:
  - { name: adds, model: raised, given: [ { input: ref('orders'), rows: [ { person: 1, amount: 2, night: 1 }, { person: 1, amount: 3, night: 1 } ] } ],
      expect: { rows: [ { person: 1, amount: 5 } ] } }
`,
}

// deliverDBT writes the seed of a night, in which some rows change, come and go, and the file of its orders.
func deliverDBT(dir string, seed uint64, night int) error {
	r := rand.New(rand.NewPCG(seed, uint64(night)))
	people, orders := []string{"id,name,updated_at,night"}, []string{"id,person,amount,night"}
	for i := range 30 + 5*night {
		changed := 1
		if (i+night)%4 == 0 {
			changed = night
		}
		if i%13 != night {
			people = append(people, fmt.Sprintf("%d,person %d of night %d,2026-01-%02d 00:00:00,%d", i, i, changed, changed, night))
		}
		orders = append(orders, fmt.Sprintf("%d,%d,%d,%d", night*1000+i, r.IntN(30), 1+r.IntN(99), night))
	}
	return errors.Join(put(filepath.Join(dir, "seeds", "people.csv"), strings.Join(people, "\n")+"\n"),
		put(filepath.Join(dir, "data", fmt.Sprintf("orders_%d.csv", night)), strings.Join(orders, "\n")+"\n"))
}

// beginDBT restores the project of dbt as it was after its first night, and delivers its second.
func (l *lab) beginDBT(ctx context.Context) error {
	if err := l.prepareDBT(); err != nil {
		return err
	}
	if err := l.begin(ctx, dbtBase); err != nil {
		return err
	}
	return deliverDBT(l.project(), l.h.seed, 2)
}

// prepareDBT makes the copy of the project after its first night.
func (l *lab) prepareDBT() error {
	if l.bases[dbtBase] {
		return nil
	}
	l.reset()
	errs := []error{os.RemoveAll(l.project())}
	for name, text := range dbtFiles {
		errs = append(errs, put(filepath.Join(l.project(), name), text))
	}
	if err := errors.Join(append(errs, deliverDBT(l.project(), l.h.seed, 1))...); err != nil {
		return err
	}
	if err := l.mustRun("run"); err != nil {
		return err
	}
	l.bases[dbtBase] = true
	return errors.Join(os.RemoveAll(l.base(dbtBase)), copyTree(l.project(), l.base(dbtBase)))
}

// dbtTrials kill a run of the project of dbt, run it again and compare.
func (h *harness) dbtTrials(ctx context.Context, l *lab) ([]trial, error) {
	if err := l.beginDBT(ctx); err != nil {
		return nil, err
	}
	_, visits, want, err := l.uncut("run")
	if err != nil {
		return nil, err
	}
	export, err := os.ReadFile(filepath.Join(l.project(), dbtExport))
	if err != nil {
		return nil, err
	}
	most := map[string]int{"parquet.write": 4, "journal.step.commit": 4, "publish.manifest.rename": 1, "publish.pointer.swap": 1, "publish.done": 1}
	var all []trial
	for _, v := range h.someOf(visits, most) {
		lossy := strings.HasPrefix(v.point, "publish.")
		all = append(all, trial{row: "dbt", stage: "killed at " + v.String(), run: func(ctx context.Context, l *lab) error {
			return l.killDBT(ctx, v, lossy, want, export)
		}})
	}
	return all, nil
}

// killDBT kills a run of the project of dbt, with a loss of power when lossy, runs it again and compares tables and export.
func (l *lab) killDBT(ctx context.Context, v visit, lossy bool, want *result, export []byte) error {
	if err := l.beginDBT(ctx); err != nil {
		return err
	}
	if err := l.killed(v, lossy, rng(l.h.seed, "dbt"+v.String()), "run"); err != nil {
		return err
	}
	if err := l.mustRun("run"); err != nil {
		return err
	}
	if err := l.asUncut(want); err != nil {
		return err
	}
	got, err := os.ReadFile(filepath.Join(l.project(), dbtExport))
	if err == nil && !bytes.Equal(got, export) {
		return violation("the export has %d bytes that are not those of a run that was not cut off (%d)", len(got), len(export))
	}
	return err
}
