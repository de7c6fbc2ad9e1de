"""The part of `wk-assets init`'s file that shows what a campaign is; all of it is commented out. Text only; a test loads it."""

CAMPAIGN_TEMPLATE = """\

# Campaigns: work for people, as tasks on the WEBKNOSSOS server. `wk-assets tasks plan seeds` shows the tasks before they
# exist, `wk-assets tasks create seeds` makes those that are missing. Boxes and positions: voxels of mag 1, x, y, z.
#
# campaigns:
#   - name: seeds
#     dataset: run_17           # a dataset of the catalogue, or the id of one on the server
#     layers: [nuclei]          # work lies inside of all of them
#     project: {name: nuclei, team: annotators, priority: 100, minutes_per_task: 15}   # made if it is not there
#     task_type:
#       name: mark nuclei
#       kind: skeleton          # or volume, hybrid
#       description: Place one node in the middle of each nucleus in the box.
#       mags: {min: 1, max: 4}  # kind and mags can not be changed on the server later
#       settings: {newNodeNewTree: true}   # of the tool, as the server names them
#     experience: {domain: nuclei, value: 1}
#     instances: 2              # annotators per task
#
#     # Where is the work? One of five rules:
#     work: {rule: grid, size: [512, 512, 64], overlap: [32, 32, 4], inside: "0,0,0,4096,4096,256"}
# #   {rule: table, file: campaigns/seeds.csv, box_size: [256, 256, 32]}      columns x, y, z, or box_x … box_z, width, height, depth
# #   {rule: grid, size: 512, remainder: shift}                               what does not fit: cut, shift or drop
# #   {rule: random, count: 20, size: 256, seed: 7, mask: tissue}             the same places for the same seed
# #   {rule: nodes, file: campaigns/seeds.nml, which: branch_points}          or all, commented
# #   {rule: segments, layer: labels, count: 50, seed: 7, padding: [16, 16, 2]}   or ids: [17, 42]
#
#     # What follows when one is finished? Each thing once, whatever crashes or is repeated.
#     then:
#       - {rule: stop, agree: 2, threshold: 0.9, most: 3}         # ask for a third opinion if two do not agree
#       - {rule: escalate, below: 0.9, experience: {domain: nuclei, value: 5}}   # if three do not agree either
#       - {rule: next, campaign: segments, when: agreed, chain: none}
# #   {rule: repair, checks: [inside_box], rounds: 2}                         what a check found goes back
#
#   - name: segments
#     dataset: run_17
#     layers: [nuclei]
#     project: {name: nuclei, team: annotators, priority: 100, minutes_per_task: 15}
#     task_type: {name: paint nuclei, kind: volume}
#     experience: {domain: nuclei, value: 2}
#     then:
#       - {rule: review, share: 0.2, experience: {domain: nuclei, value: 3}}     # by another annotator
"""
