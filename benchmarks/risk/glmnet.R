# Elastic net by glmnet, tuned by folds of the people that are not tested.
#
# Rscript glmnet.R DIR FAMILY ALPHAS PATH_END THREADS SECONDS
# DIR holds x.f32 (people x columns, column by column), y.f64, fold.i32 (0 for test people, else
# 1..k), n_free.i32 (so many first columns are not penalised). Writes eta.f64 and chosen.tsv there.

suppressPackageStartupMessages(library(glmnet))
given <- commandArgs(trailingOnly = TRUE)
at <- function(name) file.path(given[1], name)
family <- given[2]
alphas <- as.numeric(strsplit(given[3], ",")[[1]])
end <- as.numeric(given[4])
threads <- as.integer(given[5])
seconds <- as.numeric(given[6])
began <- proc.time()[["elapsed"]]

y <- readBin(at("y.f64"), "double", file.size(at("y.f64")) / 8)
fold <- readBin(at("fold.i32"), "integer", length(y))
free <- readBin(at("n_free.i32"), "integer", 1)
size <- file.size(at("x.f32")) / 4
x <- matrix(readBin(at("x.f32"), "double", size, size = 4), nrow = length(y))
penalty <- rep(c(0, 1), c(free, ncol(x) - free))
develop <- which(fold > 0)

fitted <- function(rows, alpha, lambda = NULL) {
  shortest <- if (is.null(lambda)) 50 else length(lambda)
  glmnet(x[rows, ], y[rows], family = family, alpha = alpha, penalty.factor = penalty,
         nlambda = shortest, lambda = lambda, lambda.min.ratio = end, thresh = 1e-5,
         standardize = FALSE)
}
# Mean loss of each penalty: squares, or minus the log likelihood.
loss <- function(eta, truth) {
  if (family == "gaussian") colMeans((eta - truth)^2)
  else colMeans(log1p(exp(-abs(eta))) + pmax(eta, 0) - truth * eta)
}
held_out <- function(k, alpha, lambda = NULL) {
  part <- fitted(develop[fold[develop] != k], alpha, lambda)
  held <- develop[fold[develop] == k]
  asked <- if (is.null(lambda)) part$lambda else lambda
  list(lambda = asked, loss = loss(predict(part, x[held, ], s = asked), y[held]))
}

best <- list(loss = Inf)
tried <- 0
for (alpha in alphas) {
  used <- proc.time()[["elapsed"]] - began
  if (tried > 0 && used * (tried + 1) / tried > seconds) break
  tried <- tried + 1
  # The first fold says how far the path is worth following.
  folds <- sort(unique(fold[develop]))
  first <- held_out(folds[1], alpha)
  end_at <- min(length(first$lambda), which.min(first$loss) + 6)
  lambda <- first$lambda[seq_len(end_at)]
  losses <- parallel::mclapply(folds[-1], function(k) held_out(k, alpha, lambda)$loss,
                               mc.cores = threads)
  losses <- c(list(first$loss[seq_len(end_at)]), losses)
  mean_loss <- Reduce(`+`, losses) / length(losses)
  pick <- which.min(mean_loss)
  if (mean_loss[pick] < best$loss) {
    whole <- fitted(develop, alpha, lambda[seq_len(pick)])
    best <- list(loss = mean_loss[pick], alpha = alpha, lambda = lambda[pick],
                 used = whole$df[pick], pick = pick, eta = predict(whole, x, s = lambda[pick]))
  }
}
writeBin(as.double(best$eta), at("eta.f64"))
best$tried <- tried
write.table(as.data.frame(best[c("alpha", "lambda", "loss", "used", "pick", "tried")]),
            at("chosen.tsv"), sep = "\t", quote = FALSE, row.names = FALSE)
