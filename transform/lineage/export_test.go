package lineage

// What a test asks the engine about.
var (
	Aggregates = aggregateNames
	Lambdas    = lambdas
)
