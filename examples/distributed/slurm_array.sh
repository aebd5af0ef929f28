#!/bin/bash
# Shards as a Slurm array. Submit it in the checkout, then the merge, which waits for all tasks:
#   id=$(sbatch --parsable slurm_array.sh)
#   sbatch --dependency=afterok:$id --wrap "pytest-evalgate merge shards/$id --expect-shards 4 --gate"
#SBATCH --array=0-3
#SBATCH --mem=1G
#SBATCH --time=02:00:00
set -u
cd "${SLURM_SUBMIT_DIR:-.}" || exit 1
export EVALGATE_SHARD=auto                                                # from SLURM_ARRAY_TASK_ID and _COUNT
export EVALGATE_SHARDS_TO="file://$PWD/shards/$SLURM_ARRAY_JOB_ID"        # the shared file system is enough
export EVALGATE_DIR="${TMPDIR:-/tmp}/evals-$SLURM_ARRAY_JOB_ID-$SLURM_ARRAY_TASK_ID"  # one state for each task
pytest --eval-gate
code=$?
exit $((code == 12 ? 0 : code)) # a stored shard exits with 12, because only the merge decides
