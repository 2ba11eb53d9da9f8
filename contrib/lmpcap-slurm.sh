#!/bin/sh
# Analyze a study as an array of Slurm jobs, then join the parts into the same bytes as one `lmpcap batch`.
#
#   sh lmpcap-slurm.sh submit /shared/study /shared/out 16     # 16 jobs, then one that joins them
#
# lmpcap, the study and the output folder must have the same names on all nodes (a shared file system). A job that was lost is done
# again with the same command: runs that are done are kept. LMPCAP names the program, LMPCAP_OPTIONS further options of lmpcap batch.
#SBATCH --job-name=lmpcap
#SBATCH --cpus-per-task=2
#SBATCH --mem-per-cpu=1G
set -eu

lmpcap=${LMPCAP:-lmpcap}
usage() {
    echo "usage: lmpcap-slurm.sh submit STUDY OUTPUT PARTS" >&2
    exit 2
}

case "${1:-}" in
submit)
    [ $# = 4 ] || usage
    array=$(sbatch --parsable --array="1-$4" "$0" part "$2" "$3" "$4")
    # With afterany a part that failed is named by the join, and not waited for without end.
    sbatch --dependency="afterany:${array%%;*}" "$0" join "$2" "$3" "$4"
    ;;
part)
    [ $# = 4 ] || usage
    mkdir -p "$3/.parts"
    # shellcheck disable=SC2086
    exec "$lmpcap" batch "$2" --shard "$SLURM_ARRAY_TASK_ID/$4" --threads "${SLURM_CPUS_PER_TASK:-1}" \
        -o "$3/.parts/$SLURM_ARRAY_TASK_ID" ${LMPCAP_OPTIONS:-}
    ;;
join)
    [ $# = 4 ] || usage
    n=1
    set -- "$2" "$3" "$4"
    study=$1 output=$2 count=$3
    set --
    while [ "$n" -le "$count" ]; do
        if [ ! -f "$output/.parts/$n/study.json" ]; then
            echo "lmpcap-slurm: part $n of $count of $study is missing: submit again, what is done is kept" >&2
            exit 1
        fi
        set -- "$@" "$output/.parts/$n"
        n=$((n + 1))
    done
    "$lmpcap" batch --merge "$@" -o "$output"
    rm -r "$output/.parts"
    ;;
*) usage ;;
esac
