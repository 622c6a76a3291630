# Runs the R code in Markdown pages and compares what it prints with the lines of `#> ` that follow it. The blocks of a
# page share their names. `<!-- not run -->` on the line above a block leaves it out.

# The blocks of a page that are meant to run.
blocks <- function(lines) {
  fences <- grep("^```", lines)
  starts <- fences[c(TRUE, FALSE)]
  ends <- fences[c(FALSE, TRUE)]
  run <- lines[starts] == "```r" & c("", lines)[starts] != "<!-- not run -->"
  Map(function(start, end) lines[(start + 1L):(end - 1L)], starts[run], ends[run])
}

# The lines that a statement printed, and those that the page says it prints.
check <- function(statement, promised, names) {
  printed <- capture.output({
    result <- withVisible(eval(statement, names))
    if (result$visible) print(result$value)
  })
  promised <- sub("^#> ?", "", promised)
  if (identical(trimws(printed, "right"), trimws(promised, "right"))) return(TRUE)
  cat("printed:", printed, "the page says:", promised, sep = "\n  ")
  FALSE
}

check.block <- function(code, names) {
  statements <- parse(text = code, keep.source = TRUE)
  places <- lapply(attr(statements, "srcref"), as.integer)
  ends <- vapply(places, `[`, 0L, 3L)
  follows <- c(vapply(places, `[`, 0L, 1L)[-1L], length(code) + 1L)
  all(vapply(seq_along(statements), function(k) {
    between <- code[seq_len(follows[k] - ends[k] - 1L) + ends[k]]
    check(statements[[k]], grep("^#>", between, value = TRUE), names)
  }, NA))
}

count <- 0L
for (page in commandArgs(TRUE)) {
  names <- new.env(parent = globalenv())
  for (code in blocks(readLines(page, encoding = "UTF-8"))) {
    count <- count + 1L
    if (!check.block(code, names)) stop(page, ": the output differs, in\n", paste(code, collapse = "\n"))
  }
}
if (count == 0L) stop("no R code found")
cat(count, "blocks of R code print what the pages say\n")
