package models_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
)

// TestBatches holds the batches to those of dbt's MicrobatchBuilder, which gave the numbers and texts.
func TestBatches(t *testing.T) {
	for _, c := range []struct {
		size, begin string
		lookback    int
		now         string // or a range: start/end
		there       bool   // the table is
		n           int
		first, last string
	}{
		{"day", "2024-02-28", 1, "2024-03-01T15:04:05.006Z", false, 3, "20240228 2024-02-28 00:00:00 2024-02-29 00:00:00", "20240301 2024-03-01 00:00:00 2024-03-02 00:00:00"},
		{"day", "2024-02-28", 1, "2024-03-01T00:00:00Z", false, 2, "20240228 2024-02-28 00:00:00 2024-02-29 00:00:00", "20240229 2024-02-29 00:00:00 2024-03-01 00:00:00"},
		{"day", "2024-02-28", 1, "2024-03-01T15:00:00Z", true, 2, "20240229 2024-02-29 00:00:00 2024-03-01 00:00:00", "20240301 2024-03-01 00:00:00 2024-03-02 00:00:00"},
		{"day", "2024-02-28", 3, "2024-03-01T00:00:00Z", true, 4, "20240226 2024-02-26 00:00:00 2024-02-27 00:00:00", "20240229 2024-02-29 00:00:00 2024-03-01 00:00:00"},
		{"hour", "2024-02-28 05:30", 1, "2024-02-28T07:00:00Z", false, 2, "20240228T05 2024-02-28 05:00:00 2024-02-28 06:00:00", "20240228T06 2024-02-28 06:00:00 2024-02-28 07:00:00"},
		{"hour", "2024-02-28T05:30:00", 0, "2024-02-28T07:00:01Z", true, 1, "20240228T07 2024-02-28 07:00:00 2024-02-28 08:00:00", "20240228T07 2024-02-28 07:00:00 2024-02-28 08:00:00"},
		{"month", "2023-11-15", 1, "2024-03-31T00:00:00Z", false, 5, "202311 2023-11-01 00:00:00 2023-12-01 00:00:00", "202403 2024-03-01 00:00:00 2024-04-01 00:00:00"},
		{"month", "2023-11-15", 2, "2024-03-31T00:00:00Z", true, 3, "202401 2024-01-01 00:00:00 2024-02-01 00:00:00", "202403 2024-03-01 00:00:00 2024-04-01 00:00:00"},
		{"year", "2019-06-01", 1, "2024-03-31T00:00:00Z", false, 6, "2019 2019-01-01 00:00:00 2020-01-01 00:00:00", "2024 2024-01-01 00:00:00 2025-01-01 00:00:00"},
		{"year", "2019-06-01", 2, "2024-01-01T00:00:00Z", true, 3, "2021 2021-01-01 00:00:00 2022-01-01 00:00:00", "2023 2023-01-01 00:00:00 2024-01-01 00:00:00"},
		{"day", "2030-01-01", 1, "2024-03-01T00:00:00Z", false, 1, "20300101 2030-01-01 00:00:00 2024-03-01 00:00:00", ""},
		{"day", "2024-01-01", 1, "2024-01-05T06:00:00Z/2024-01-07T01:00:00Z", true, 3, "20240105 2024-01-05 00:00:00 2024-01-06 00:00:00", "20240107 2024-01-07 00:00:00 2024-01-08 00:00:00"},
		{"month", "2024-01-01", 1, "2024-01-31T00:00:00Z/2024-02-01T00:00:00Z", true, 1, "202401 2024-01-01 00:00:00 2024-02-01 00:00:00", ""},
		{"hour", "0001-01-01", 1, "2024-01-31T00:00:00Z", false, models.MaxBatches, "00010101T00 0001-01-01 00:00:00 0001-01-01 01:00:00", ""},
	} {
		begin, err := models.ParseEventTime(c.begin)
		if err != nil {
			t.Fatal(err)
		}
		b := &models.Batches{Size: c.size, Begin: begin, Lookback: c.lookback}
		at := func(text string) time.Time {
			when, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			return when
		}
		var got []models.Batch
		start, end, isRange := strings.Cut(c.now, "/")
		switch {
		case isRange:
			got = b.Between(at(start), at(end))
		case c.there:
			got = b.Latest(at(c.now))
		default:
			got = b.All(at(c.now))
		}
		text := func(x models.Batch) string {
			return fmt.Sprintf("%s %s %s", x.ID(c.size), x.Start.Format(time.DateTime), x.End.Format(time.DateTime))
		}
		if len(got) != c.n || text(got[0]) != c.first || c.last != "" && text(got[len(got)-1]) != c.last {
			t.Errorf("%s from %s at %s: %d, %s … %s", c.size, c.begin, c.now, len(got), text(got[0]), text(got[len(got)-1]))
		}
	}
	half := models.Batch{Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2024, 1, 1, 12, 0, 0, 5000, time.UTC)}
	if got := half.Condition("t"); got != "t >= '2024-01-01 00:00:00+00:00' and t < '2024-01-01 12:00:00.000005+00:00'" {
		t.Error(got)
	}
}

// TestBatchConfig: what a microbatch model must say is asked for in its place.
func TestBatchConfig(t *testing.T) {
	for said, want := range map[string]string{
		"batch_size='day', begin='2024-01-01'":                                        "needs event_time",
		"event_time='t', begin='2024-01-01'":                                          "needs a batch_size: hour, day, month or year",
		"event_time='t', batch_size='week', begin='2024-01-01'":                       "needs a batch_size",
		"event_time='t', batch_size='day'":                                            "needs begin",
		"event_time='t', batch_size='day', begin='soon'":                              `begin: "soon" is no date and no time`,
		"event_time='t', batch_size='day', begin='2024-01-01', lookback=-1":           "lookback: it must be a whole number, not -1",
		"event_time='t', batch_size='day', begin='2024-01-01', unique_key='id'":       "it takes no unique_key",
		"event_time='t', batch_size='day', begin='2024-01-01', lookback=none":         "",
		"event_time='t', batch_size='hour', begin='2024-01-01', concurrent_batches=1": "",
	} {
		p, text := loadDBT(map[string]string{"models/a.sql": "{{ config(materialized='incremental', incremental_strategy='microbatch', " + said + ") }} select now() as t"}, nil, nil)
		if want == "" && (p == nil || p.Model("a").Model.Batches == nil || strings.Contains(text, "error")) || want != "" && !strings.Contains(text, want) {
			t.Errorf("%s: %s", said, text)
		}
	}
}
