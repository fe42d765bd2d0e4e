// Package snowflake brings what a local target has published to Snowflake.
package snowflake

// Keep is how one table is kept there.
type Keep struct {
	Mode        string   // auto, full, append, merge, partition, scd2 or none
	Swap        bool     // full: by a swap, outside of the transaction
	Soft        bool     // merge: rows that are gone are marked
	PartitionBy []string // partition: columns
	ClusterBy   []string // clustering key that it is created with
}
